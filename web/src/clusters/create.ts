import { api, body, type Cluster } from "../api/client";
import type { WantedCluster, WantedPool } from "./command";

export function createPool(cluster: string, pool: WantedPool) {
  return body(
    api.POST("/v1/clusters/{cluster_id}/node-pools", {
      params: { path: { cluster_id: cluster } },
      body: { name: pool.name, size: pool.size, count: pool.count },
    }),
  );
}

/** Which of the pools was refused, when the cluster itself is there. */
export class PoolRefused extends Error {
  constructor(readonly cluster: Cluster, readonly pool: WantedPool, override readonly cause: unknown) {
    super(`the node pool ${pool.name} was refused`);
  }
}

/** Makes the cluster, then its pools. A pool that is refused does not undo the cluster. */
export async function createCluster(w: WantedCluster): Promise<Cluster> {
  const cluster = await body(
    api.POST("/v1/clusters", { body: { name: w.name, version: w.version, pod_cidr: w.podCIDR, service_cidr: w.serviceCIDR } }),
  );
  for (const pool of w.pools) {
    try {
      await createPool(cluster.id, pool);
    } catch (error) {
      throw new PoolRefused(cluster, pool, error);
    }
  }
  return cluster;
}

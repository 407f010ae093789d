import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";

import { api, body, everything } from "../api/client";

// A cluster does not tell of what runs in it: it is asked again while somebody looks.
const again = 5_000;

const path = (cluster_id: string) => ({ path: { cluster_id } });

export const namespacesQuery = (cluster: string) =>
  queryOptions({
    queryKey: ["namespaces", cluster],
    queryFn: () => everything((cursor) => api.GET("/v1/clusters/{cluster_id}/workloads/namespaces", { params: { ...path(cluster), query: { limit: 200, cursor } } })),
    refetchInterval: 6 * again,
  });

/** The pods of a namespace, or of all of them when it is empty. */
export const podsQuery = (cluster: string, namespace: string) =>
  infiniteQueryOptions({
    queryKey: ["pods", cluster, namespace],
    queryFn: ({ pageParam }) =>
      body(api.GET("/v1/clusters/{cluster_id}/workloads/pods", { params: { ...path(cluster), query: { limit: 50, ...(namespace ? { namespace } : {}), cursor: pageParam } } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (last) => last.next_cursor,
    refetchInterval: again,
  });

/** The newest Kubernetes events of a namespace, or of all of them when it is empty. */
export const kubernetesEventsQuery = (cluster: string, namespace: string) =>
  queryOptions({
    queryKey: ["kubernetes-events", cluster, namespace],
    queryFn: () => body(api.GET("/v1/clusters/{cluster_id}/workloads/events", { params: { ...path(cluster), query: { limit: 50, ...(namespace ? { namespace } : {}) } } })),
    refetchInterval: again,
  });

import { api, body, type Cluster } from "../api/client";
import { save } from "../parts/save";

const hour = 3600;

/** How long a kubeconfig may be good: up to what the API allows. */
export const lives = [
  { label: "1 hour", seconds: hour },
  { label: "8 hours", seconds: 8 * hour },
  { label: "1 day", seconds: 24 * hour },
  { label: "7 days", seconds: 7 * 24 * hour },
  { label: "30 days", seconds: 30 * 24 * hour },
] as const;

/** Gives the browser a kubeconfig to keep as a file, which is good for so many seconds. */
export async function downloadKubeconfig(cluster: Cluster, seconds: number): Promise<void> {
  const text = await body(
    api.GET("/v1/clusters/{cluster_id}/kubeconfig", {
      params: { path: { cluster_id: cluster.id }, query: { expires_in_seconds: seconds } }, parseAs: "text",
    }),
  );
  save(text, `${cluster.name}.kubeconfig`, "application/yaml");
}

import { api, body, type Cluster } from "../api/client";

/** Gives the browser a kubeconfig to keep as a file. */
export async function downloadKubeconfig(cluster: Cluster): Promise<void> {
  const text = await body(
    api.GET("/v1/clusters/{cluster_id}/kubeconfig", { params: { path: { cluster_id: cluster.id } }, parseAs: "text" }),
  );
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/yaml" }));
  link.download = `${cluster.name}.kubeconfig`;
  link.click();
  URL.revokeObjectURL(link.href);
}

import type { Cluster, ClusterUse, Token } from "../api/client";
import { condition } from "../words/phase";
import { nodes } from "../words/size";
import { date } from "../words/time";

/** Something that a person should look at. */
export interface Concern {
  about: string;
  text: string;
  cluster?: string;
}

const week = 7 * 86_400_000;

/** What is amiss with clusters and their nodes, and which tokens end soon. */
export function concerns(clusters: Cluster[], uses: ClusterUse[], tokens: Token[], now: number): Concern[] {
  const found: Concern[] = [];
  for (const c of clusters) {
    const amiss = (c.conditions ?? []).filter((x) => !x.ok && x.message);
    if (c.phase === "failed" || c.phase === "degraded") {
      const why = amiss.map((x) => `${condition(x.type)}: not now. ${sentence(x.message ?? "")}`).join(" ");
      found.push({ about: c.name, cluster: c.id, text: why || (c.phase === "failed" ? "The control plane could not be made in time. It is still being tried." : "The control plane is being repaired.") });
    } else if (c.phase === "running") {
      for (const x of amiss) found.push({ about: c.name, cluster: c.id, text: `${condition(x.type)}: not now. ${sentence(x.message ?? "")}` });
    }
    const lost = uses.find((u) => u.cluster_id === c.id)?.nodes_lost ?? 0;
    if (lost > 0 && c.phase !== "deleting") found.push({ about: c.name, cluster: c.id, text: `${nodes(lost)} ${lost === 1 ? "was" : "were"} ready and ${lost === 1 ? "is" : "are"} not any more.` });
  }
  for (const t of tokens) {
    const left = Date.parse(t.expires_at) - now;
    if (left > 0 && left < week) found.push({ about: `API token ${t.name}`, text: `It ends on ${date(t.expires_at)}.` });
  }
  return found;
}

function sentence(message: string): string {
  return message.charAt(0).toUpperCase() + message.slice(1) + (/[.!?]$/.test(message) ? "" : ".");
}

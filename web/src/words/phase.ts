import type { Cluster, Node, Pool } from "../api/client";

export type Tone = "good" | "wait" | "bad" | "none";

interface Word {
  text: string;
  tone: Tone;
}

const clusterPhases: Record<Cluster["phase"], Word> = {
  provisioning: { text: "Creating", tone: "wait" },
  running: { text: "Running", tone: "good" },
  updating: { text: "Updating", tone: "wait" },
  degraded: { text: "Degraded", tone: "bad" },
  deleting: { text: "Deleting", tone: "wait" },
  recoverable: { text: "Deleted", tone: "none" },
  restoring: { text: "Coming back", tone: "wait" },
  deleted: { text: "Deleted", tone: "none" },
  failed: { text: "Failed", tone: "bad" },
};

export function clusterPhase(phase: Cluster["phase"]): Word {
  return clusterPhases[phase];
}

/** Whether the cluster's API server can be expected to answer. */
export function usable(phase: Cluster["phase"]): boolean {
  return phase === "running" || phase === "updating" || phase === "degraded";
}

const poolPhases: Record<Pool["phase"], Word> = {
  provisioning: { text: "Scaling", tone: "wait" },
  running: { text: "Running", tone: "good" },
  suspended: { text: "Without nodes", tone: "none" },
  deleting: { text: "Deleting", tone: "wait" },
  deleted: { text: "Deleted", tone: "none" },
};

export function poolPhase(phase: Pool["phase"]): Word {
  return poolPhases[phase];
}

const nodePhases: Record<Node["phase"], Word> = {
  provisioning: { text: "Creating", tone: "wait" },
  joining: { text: "Joining", tone: "wait" },
  running: { text: "Ready", tone: "good" },
  draining: { text: "Draining", tone: "wait" },
  deleting: { text: "Deleting", tone: "wait" },
  deleted: { text: "Deleted", tone: "none" },
};

export function nodePhase(node: Pick<Node, "phase" | "ready">): Word {
  return node.phase === "running" && !node.ready ? { text: "Not ready", tone: "bad" } : nodePhases[node.phase];
}

const conditions: Record<string, string> = {
  EtcdHealthy: "etcd accepts writes",
  APIServerReady: "API server answers",
  RBACReady: "Roles are in place",
  CredentialsWork: "Credentials work",
  SecretsReady: "Keys can be opened",
  WithinLimits: "Within its limits",
  TunnelReady: "Nodes are connected",
};

/** What a condition says when it holds. One that is not known here is shown as it is. */
export function condition(type: string): string {
  return conditions[type] ?? type;
}

import { expect, test } from "vitest";

import type { Cluster, ClusterUse, Token } from "../api/client";
import { concerns } from "./concerns";

const cluster = (name: string, phase: Cluster["phase"], conditions: Cluster["conditions"] = []) => ({ id: `kc-${name}`, phase, name, conditions }) as Cluster;
const use = (name: string, lost: number): ClusterUse => ({ cluster_id: `kc-${name}`, nodes: 3, nodes_ready: 3 - lost, nodes_lost: lost, price: null as never });
const etcd = { type: "EtcdHealthy", ok: false, message: "etcd has no leader", since: "2026-11-27T00:00:00Z" };
const now = Date.parse("2026-11-27T00:00:00Z");
const token = (name: string, expires_at: string): Token => ({ id: name, name, expires_at, created_at: "2026-11-01T00:00:00Z" }) as Token;

test("what is well, being made or going away is no concern", () => {
  expect(concerns([cluster("a", "running"), cluster("b", "provisioning", [etcd]), cluster("c", "deleting", [etcd])], [use("a", 0), use("c", 2)], [], now)).toEqual([]);
});

test("what is amiss says why, and which cluster it is", () => {
  expect(concerns([cluster("a", "degraded", [etcd]), cluster("b", "failed"), cluster("c", "running")], [use("c", 1)], [], now)).toEqual([
    { about: "a", cluster: "kc-a", text: "etcd accepts writes: not now. Etcd has no leader." },
    { about: "b", cluster: "kc-b", text: "The control plane could not be made in time. It is still being tried." },
    { about: "c", cluster: "kc-c", text: "1 node was ready and is not any more." },
  ]);
});

test("tokens are named in their last week, and not after", () => {
  const tokens = [token("old", "2026-11-26T00:00:00Z"), token("soon", "2026-11-30T00:00:00Z"), token("later", "2026-12-30T00:00:00Z")];
  expect(concerns([], [], tokens, now).map((c) => c.about)).toEqual(["API token soon"]);
});

import { QueryClient } from "@tanstack/react-query";
import { describe, expect, test } from "vitest";

import { answered, apply, put, without } from "./changes";
import type { Cluster, Pool } from "./client";

const cluster = (id: string, phase: Cluster["phase"] = "running"): Cluster => ({
  id, phase, name: id, version: "1.37", pod_cidr: "", service_cidr: "", endpoint: "", issuer: "", authorized_networks: [], conditions: [], deletion_protection: false, created_at: "2026-11-27T00:00:00Z",
});

describe("lists", () => {
  test("what is new finds its place, what is known is replaced", () => {
    const list = [{ id: "a", n: 1 }, { id: "c", n: 1 }];
    expect(put(list, { id: "b", n: 2 }).map((x) => x.id)).toEqual(["a", "b", "c"]);
    expect(put(list, { id: "d", n: 2 }).map((x) => x.id)).toEqual(["a", "c", "d"]);
    expect(put(list, { id: "c", n: 2 })).toEqual([{ id: "a", n: 1 }, { id: "c", n: 2 }]);
    expect(without(list, "a")).toEqual([{ id: "c", n: 1 }]);
  });
});

describe("changes", () => {
  test("a cluster is shown anew everywhere, and leaves the list when it is deleted", () => {
    const queries = new QueryClient();
    queries.setQueryData(["clusters"], [cluster("kc-1", "provisioning")]);
    apply(queries, { kind: "cluster", cluster: cluster("kc-1") });
    expect(queries.getQueryData<Cluster[]>(["clusters"])?.[0]?.phase).toBe("running");
    expect(queries.getQueryData<Cluster>(["cluster", "kc-1"])?.phase).toBe("running");
    apply(queries, { kind: "gone", gone: "kc-1" });
    expect(queries.getQueryData(["clusters"])).toEqual([]);
    // It may be one that can be brought back: whoever opens its page asks.
    expect(queries.getQueryData<Cluster>(["cluster", "kc-1"])).toBeUndefined();
  });
  test("a cluster that can be brought back is not in the list; one that is gone from its own page is gone for good", () => {
    const queries = new QueryClient();
    queries.setQueryData(["clusters"], [cluster("kc-1")]);
    apply(queries, { kind: "cluster", cluster: cluster("kc-1", "recoverable") }, "kc-1");
    expect(queries.getQueryData(["clusters"])).toEqual([]);
    expect(queries.getQueryData<Cluster>(["cluster", "kc-1"])?.phase).toBe("recoverable");
    apply(queries, { kind: "gone", gone: "kc-1" }, "kc-1");
    expect(queries.getQueryData<Cluster>(["cluster", "kc-1"])?.phase).toBe("deleted");
  });
  test("a list that was never asked for is not made from one item", () => {
    const queries = new QueryClient();
    apply(queries, { kind: "cluster", cluster: cluster("kc-1") });
    expect(queries.getQueryData(["clusters"])).toBeUndefined();
  });
  test("an answer that comes after the stream's word changes nothing", () => {
    const queries = new QueryClient();
    const pool = (phase: Pool["phase"]): Pool => ({ id: "np-1", name: "spare", size: "small", count: 0, phase, labels: {}, taints: [], created_at: "2026-11-27T00:00:00Z" });
    queries.setQueryData(["pools", "kc-1"], [pool("running")]);
    const sent = performance.now();
    apply(queries, { kind: "gone", gone: "np-1" }, "kc-1");
    answered(queries, sent, { kind: "pool", pool: pool("deleting") }, "kc-1");
    expect(queries.getQueryData(["pools", "kc-1"])).toEqual([]);
  });
  test("an answer that comes first is shown", () => {
    const queries = new QueryClient();
    queries.setQueryData(["clusters"], [cluster("kc-2")]);
    apply(queries, { kind: "cluster", cluster: cluster("kc-2") });
    answered(queries, performance.now() + 1, { kind: "cluster", cluster: cluster("kc-2", "deleting") });
    expect(queries.getQueryData<Cluster[]>(["clusters"])?.[0]?.phase).toBe("deleting");
  });
  test("a list that was asked for before the stream's word does not undo it", async () => {
    const queries = new QueryClient();
    queries.setQueryData(["clusters"], [cluster("kc-3")]);
    let answer: (list: Cluster[]) => void = () => {};
    const asked = queries.fetchQuery({ queryKey: ["clusters"], queryFn: () => new Promise<Cluster[]>((resolve) => { answer = resolve; }) });
    apply(queries, { kind: "cluster", cluster: cluster("kc-3", "deleting") });
    answer([cluster("kc-3")]);
    await asked.catch(() => undefined);
    expect(queries.getQueryData<Cluster[]>(["clusters"])?.[0]?.phase).toBe("deleting");
  });
});

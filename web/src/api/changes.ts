import type { QueryClient } from "@tanstack/react-query";

import type { Change, Cluster, Event, Node, Pool } from "./client";

// When the stream last spoke of each thing, by id. A page sees some thousands at most.
const spoken = new Map<string, number>();

interface Identified {
  id: string;
}

/** The list with the item put in its place by id: ids sort by time. */
export function put<T extends Identified>(list: T[], item: T): T[] {
  const at = list.findIndex((x) => x.id >= item.id);
  if (at < 0) return [...list, item];
  return list.toSpliced(at, list[at]?.id === item.id ? 1 : 0, item);
}

export function without<T extends Identified>(list: T[], id: string): T[] {
  return list.filter((x) => x.id !== id);
}

/** Brings what the console remembers up to a change that the stream tells. */
export function apply(queries: QueryClient, change: Change, cluster?: string): void {
  const id = subject(change);
  if (id) spoken.set(id, performance.now());
  show(queries, change, cluster);
}

/**
 * Shows at once what a request was answered. sent is when it was sent (performance.now):
 * where the stream has spoken of the thing since, it knows more, or will in a moment;
 * an answer that comes late would show a pool that is gone, for ever.
 */
export function answered(queries: QueryClient, sent: number, answer: Change, cluster?: string): void {
  if ((spoken.get(subject(answer)) ?? -1) < sent) show(queries, answer, cluster);
}

const isGone = ({ phase }: Cluster) => phase === "deleted" || phase === "recoverable";

/** The id of what a change is about. */
export const subject = ({ cluster, pool, node, gone }: Change): string => (cluster ?? pool ?? node)?.id ?? gone ?? "";

function show(queries: QueryClient, change: Change, cluster?: string): void {
  const edit = <T extends Identified>(key: string[], f: (list: T[]) => T[]) => {
    if (!queries.getQueryData(key)) return;
    void queries.cancelQueries({ queryKey: key, exact: true }); // an answer under way is older
    queries.setQueryData<T[]>(key, (list) => list && f(list));
  };
  const { cluster: one, pool, node, event, gone } = change;
  if (one) {
    queries.setQueryData<Cluster>(["cluster", one.id], one);
    edit<Cluster>(["clusters"], (list) => (isGone(one) ? without(list, one.id) : put(list, one)));
    if (isGone(one)) void queries.invalidateQueries({ queryKey: ["deleted clusters"] });
  }
  if (gone) {
    edit<Cluster>(["clusters"], (list) => without(list, gone));
    // Among all clusters one is gone, too, that is deleted and can be brought back.
    if (cluster) queries.setQueryData<Cluster>(["cluster", gone], (was) => was && { ...was, phase: "deleted" });
    else queries.removeQueries({ queryKey: ["cluster", gone], exact: true });
    void queries.invalidateQueries({ queryKey: ["deleted clusters"] });
  }
  if (!cluster) return;
  if (pool) edit<Pool>(["pools", cluster], (list) => put(list, pool));
  if (node) edit<Node>(["nodes", cluster], (list) => put(list, node));
  if (event) edit<Event>(["events", cluster], (list) => put(list, event));
  if (gone) {
    edit<Pool>(["pools", cluster], (list) => without(list, gone));
    edit<Node>(["nodes", cluster], (list) => without(list, gone));
  }
}

/** Forgets what a whole telling of everything did not name: it went away unseen. */
export function keepOnly(queries: QueryClient, told: Set<string>, cluster?: string): void {
  for (const key of cluster ? [["pools", cluster], ["nodes", cluster]] : [["clusters"]]) {
    queries.setQueryData<Identified[]>(key, (list) => list?.filter((x) => told.has(x.id)));
  }
}

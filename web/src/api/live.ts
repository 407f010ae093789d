import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { apply, keepOnly } from "./changes";
import { watch } from "./stream";

const firstPause = 500;
const longestPause = 10_000;

/**
 * Keeps what is on the screen as things are: all clusters of the organization, or one
 * with its pools, nodes and events. Reports whether it is connected. Each connection
 * begins with all that there is, so nothing is missed while there was none.
 */
export function useLive(cluster?: string): boolean {
  const queries = useQueryClient();
  const [connected, setConnected] = useState(true);
  useEffect(() => {
    const stop = new AbortController();
    let pause = firstPause;
    let first = true;
    const follow = async () => {
      while (!stop.signal.aborted) {
        const told = new Set<string>();
        let synced = false;
        try {
          await watch(cluster, stop.signal, (change) => {
            if (change.kind === "synced") {
              pause = firstPause;
              setConnected(true);
              // Events of the time before are not told again.
              if (!first && cluster) void queries.invalidateQueries({ queryKey: ["events", cluster] });
              first = false;
              synced = true;
              keepOnly(queries, told, cluster);
              return;
            }
            if (!synced) told.add((change.cluster ?? change.pool ?? change.node)?.id ?? "");
            apply(queries, change, cluster);
          });
        } catch {
          if (!stop.signal.aborted) setConnected(false);
        }
        await new Promise((resolve) => setTimeout(resolve, pause));
        pause = Math.min(pause * 2, longestPause);
      }
    };
    void follow();
    return () => stop.abort();
  }, [cluster, queries]);
  return connected;
}

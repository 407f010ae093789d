import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

import { apply, keepOnly, subject } from "./changes";
import { setLost } from "./connection";
import { accountQuery, overviewQuery } from "./queries";
import { Refused, watch } from "./stream";

const firstPause = 500;
const longestPause = 10_000;

/**
 * Keeps what is on the screen as things are: all clusters of the organization, or one
 * with its pools, nodes and events. Each connection begins with all that there is, so
 * nothing is missed while there was none.
 */
export function useLive(cluster?: string): void {
  const queries = useQueryClient();
  useEffect(() => {
    const stop = new AbortController();
    let pause = firstPause;
    let first = true;
    const follow = async () => {
      while (!stop.signal.aborted) {
        const told = new Set<string>();
        let synced = false;
        // A connection of before may hang for long when the browser is online again.
        const offline = new AbortController();
        const cut = () => offline.abort();
        addEventListener("offline", cut);
        try {
          await watch(cluster, AbortSignal.any([stop.signal, offline.signal]), (change) => {
            if (change.kind === "synced") {
              pause = firstPause;
              setLost(false);
              // Events of the time before are not told again.
              if (!first && cluster) void queries.invalidateQueries({ queryKey: ["events", cluster] });
              first = false;
              synced = true;
              keepOnly(queries, told, cluster);
              if (!cluster) void queries.invalidateQueries(overviewQuery);
              return;
            }
            if (synced && !cluster) void queries.invalidateQueries(overviewQuery);
            if (!synced) told.add(subject(change));
            apply(queries, change, cluster);
          });
        } catch (error) {
          if (!stop.signal.aborted) setLost(true);
          if (error instanceof Refused && error.status === 401) void queries.invalidateQueries(accountQuery); // the session has ended
        } finally {
          removeEventListener("offline", cut);
        }
        await pauseOrOnline(pause);
        pause = Math.min(pause * 2, longestPause);
      }
    };
    void follow();
    return () => {
      stop.abort();
      setLost(false); // nobody here asks any more
    };
  }, [cluster, queries]);
}

/** Waits, but no longer than until the browser is online again. */
function pauseOrOnline(pause: number): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      clearTimeout(timer);
      removeEventListener("online", go);
      resolve();
    };
    const timer = setTimeout(go, pause);
    addEventListener("online", go);
  });
}

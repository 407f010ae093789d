import { useEffect, useState } from "react";

import { api, body } from "../api/client";
import type { paths } from "../api/schema";
import { append, type Lines, noLines } from "./lines";

export type Component = NonNullable<NonNullable<paths["/v1/clusters/{cluster_id}/logs"]["get"]["parameters"]["query"]>["component"]>;

const linesAtFirst = 500;
const linesToKeep = 10_000;
/** What comes within this time is shown at once, and a log that ended is opened again after it. */
const pause = 200;
const pauseAfterEnd = 3_000;

interface Log {
  lines: Lines;
  state: "opening" | "following" | "lost";
  error: unknown;
}

const opening: Log = { lines: noLines, state: "opening", error: undefined };

/** Reads a log and goes on with what is written, while the page is seen. It is for one log: give the component a key. */
export function useLog(cluster: string, component: Component): Log {
  const [log, setLog] = useState(opening);
  const seen = useSeen();
  useEffect(() => {
    if (!seen) return;
    const stop = new AbortController();
    void keepFollowing(cluster, component, stop.signal, setLog);
    return () => stop.abort();
  }, [cluster, component, seen]);
  return log;
}

function useSeen(): boolean {
  const [seen, setSeen] = useState(!document.hidden);
  useEffect(() => {
    const look = () => setSeen(!document.hidden);
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  return seen;
}

async function keepFollowing(cluster: string, component: Component, signal: AbortSignal, show: (log: Log) => void): Promise<void> {
  while (!signal.aborted) {
    let lines = noLines;
    try {
      lines = await follow(cluster, component, signal, (now) => show({ lines: now, state: "following", error: undefined }));
      if (!signal.aborted) show({ lines, state: "lost", error: undefined });
    } catch (error) {
      if (!signal.aborted) show({ lines, state: "lost", error });
    }
    await new Promise((resolve) => setTimeout(resolve, pauseAfterEnd));
  }
}

/** Shows what comes, some of it at a time, and returns it all when the log ends. */
async function follow(cluster: string, component: Component, signal: AbortSignal, show: (lines: Lines) => void): Promise<Lines> {
  const stream = await body(
    api.GET("/v1/clusters/{cluster_id}/logs", {
      params: { path: { cluster_id: cluster }, query: { component, tail: linesAtFirst, follow: true } }, parseAs: "stream", signal,
    }),
  );
  let lines = noLines;
  let shown: ReturnType<typeof setTimeout> | undefined;
  show(lines);
  const reader = (stream as ReadableStream<Uint8Array<ArrayBuffer>>).pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return lines;
      lines = append(lines, value);
      shown ??= setTimeout(() => {
        shown = undefined;
        show(lines);
      }, pause);
    }
  } finally {
    clearTimeout(shown);
  }
}

/** The newest lines of a log, as many as the server gives at once. */
export function wholeLog(cluster: string, component: Component): Promise<string> {
  return body(api.GET("/v1/clusters/{cluster_id}/logs", { params: { path: { cluster_id: cluster }, query: { component, tail: linesToKeep } }, parseAs: "text" }));
}

import { useSyncExternalStore } from "react";

// How this tab reaches Marina, as its stream of changes and the browser know it.

export type Connection = "good" | "lost" | "offline";

const listeners = new Set<() => void>();
let lost = false;

function tell(): void {
  for (const listener of listeners) listener();
}

/** Notes whether the stream of changes is cut. */
export function setLost(now: boolean): void {
  if (now === lost) return;
  lost = now;
  tell();
}

function subscribe(listener: () => void): () => void {
  if (listeners.size === 0) for (const event of ["online", "offline"]) addEventListener(event, tell);
  listeners.add(listener);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) for (const event of ["online", "offline"]) removeEventListener(event, tell);
  };
}

export function useConnection(): Connection {
  return useSyncExternalStore(subscribe, () => (!navigator.onLine ? "offline" : lost ? "lost" : "good"));
}

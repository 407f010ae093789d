import type { Change } from "./client";
import { organizationHeader } from "./organization";

/** Cuts a stream of text into server-sent events' data. Comments and fields other than data are dropped. */
export function eventParser(tell: (data: string) => void): (text: string) => void {
  let rest = "";
  return (text) => {
    const blocks = (rest + text).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart());
      if (data.length > 0) tell(data.join("\n"));
    }
  };
}

/** A stream shows every fifteen seconds that it is alive; one that is silent for longer than this is cut. */
const silence = 40_000;

/** Says that the server does not let one watch. */
export class Refused extends Error {
  constructor(readonly status: number) {
    super(`the stream is refused: ${status}`);
  }
}

/** Reads the stream of changes until it or signal ends. EventSource could not say which organization it is for. */
export async function watch(cluster: string | undefined, signal: AbortSignal, tell: (change: Change) => void): Promise<void> {
  const query = cluster ? `?cluster_id=${encodeURIComponent(cluster)}` : "";
  const cut = new AbortController();
  let watchdog = setTimeout(() => cut.abort(), silence);
  try {
    const answer = await fetch(`/v1/stream${query}`, { headers: { Accept: "text/event-stream", ...organizationHeader() }, signal: AbortSignal.any([signal, cut.signal]) });
    if (!answer.ok || !answer.body) throw new Refused(answer.status);
    const parse = eventParser((data) => tell(JSON.parse(data) as Change));
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(watchdog);
      watchdog = setTimeout(() => cut.abort(), silence);
      parse(value);
    }
  } finally {
    clearTimeout(watchdog);
  }
}

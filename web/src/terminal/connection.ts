import { chosenOrganization } from "../api/organization";

const protocol = "marina.terminal.v1";
/** The server takes messages of 64 KiB; what is pasted may be longer. */
const mostAtOnce = 32 << 10;

export interface Size {
  columns: number;
  rows: number;
}

export interface Connection {
  type: (text: string) => void;
  resize: (size: Size) => void;
  close: () => void;
}

interface Listener {
  opened: () => void;
  shown: (data: Uint8Array) => void;
  ended: (why: string) => void;
}

/** Opens a shell in the cluster's terminal. ended is called once, unless it was closed here. */
export function connect(cluster: string, size: Size, to: Listener): Connection {
  const url = new URL(`/v1/clusters/${encodeURIComponent(cluster)}/terminal?columns=${size.columns}&rows=${size.rows}`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  const organization = chosenOrganization();
  if (organization) url.searchParams.set("organization_id", organization); // a WebSocket sends no headers of ours
  const socket = new WebSocket(url, protocol);
  socket.binaryType = "arraybuffer";
  let opened = false;
  socket.addEventListener("open", () => {
    opened = true;
    to.opened();
  });
  socket.addEventListener("message", (e: MessageEvent<ArrayBuffer>) => to.shown(new Uint8Array(e.data)));
  const ended = (e: CloseEvent) => to.ended(whyEnded(e, opened));
  socket.addEventListener("close", ended);
  const send = (data: string | Uint8Array<ArrayBuffer>) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(data);
  };
  return {
    type(text) {
      const data = new TextEncoder().encode(text);
      for (let at = 0; at < data.length; at += mostAtOnce) send(data.slice(at, at + mostAtOnce));
    },
    resize: (now) => send(JSON.stringify(now)),
    close() {
      socket.removeEventListener("close", ended);
      socket.close(1000);
    },
  };
}

/** Why a terminal is over, for people. A server that says why is quoted. */
export function whyEnded({ reason }: Pick<CloseEvent, "reason">, opened: boolean): string {
  if (reason) return reason;
  if (opened) return "The connection to the terminal was lost. What ran in it has ended.";
  return "No terminal could be opened. The cluster may be starting again, or you have as many terminals open as there is room for.";
}

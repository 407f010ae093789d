import { useConnection } from "../api/connection";

/** Says that what is on the screen may be old. It lies over the page, which does not move for it. */
export function Connection() {
  const connection = useConnection();
  return (
    <output className="connection">
      {connection === "offline" ? <span><strong>You are offline.</strong> What you see may be out of date. It catches up by itself.</span> : null}
      {connection === "lost" ? <span><strong>The connection to Marina is lost.</strong> Connecting again…</span> : null}
    </output>
  );
}

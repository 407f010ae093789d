/** Reads the mails of an installation that keeps them for its operator, who has a token. */
export function mailbox(url, token) {
  const ask = async (path) => {
    const answer = await fetch(`${url}/v1/operator/mails${path}`, { headers: { Authorization: `Bearer ${token}` } });
    if (!answer.ok) throw new Error(`the operator is refused a mail: ${await answer.text()}`);
    return answer.json();
  };
  const seen = new Set();
  /** The link with a secret in the next mail to an address that was not read yet. */
  return async function link(to) {
    for (const until = Date.now() + 15_000; Date.now() < until; await new Promise((next) => { setTimeout(next, 100); })) {
      const { items } = await ask(`?to=${encodeURIComponent(to)}`);
      for (const { id, state } of items.filter((m) => !seen.has(m.id) && m.state === "sent")) {
        seen.add(id);
        const [found] = (await ask(`/${id}`)).text.match(/https?:\S+#\S+/) ?? [];
        if (found && state === "sent") return found;
      }
    }
    throw new Error(`there is no new mail with a link to ${to}`);
  };
}

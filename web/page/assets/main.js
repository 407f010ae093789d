// Fills the page with what this installation offers and how it is.

for (const place of document.querySelectorAll(".origin")) {
  place.textContent = location.origin;
}

const rows = (id, lines) => {
  document.getElementById(id).replaceChildren(...lines.map((cells) => {
    const row = document.createElement("tr");
    row.append(...cells.map((text) => {
      const cell = document.createElement("td");
      cell.textContent = text;
      return cell;
    }));
    return row;
  }));
};

const health = document.getElementById("health");
const say = (text, kind) => {
  health.textContent = text;
  health.className = kind;
};

try {
  const answer = await fetch("/v1/options");
  if (!answer.ok) throw new Error(answer.statusText);
  const options = await answer.json();
  rows("versions", options.versions.map((v) => [v.version + (v.default ? " (default)" : ""), v.kubernetes_version]));
  rows("sizes", options.sizes.map((s) => [s.name, s.cpus, `${s.memory_mib / 1024} GiB`, `${s.disk_gib} GiB`]));
  const healthy = (await fetch("/healthz")).ok;
  say(healthy ? "all is well" : "the database does not answer", healthy ? "good" : "bad");
} catch {
  say("the API does not answer", "bad");
}

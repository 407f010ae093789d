// Walks through the console as a person does, against a running Marina:
//
//   node walk.mjs URL DIRECTORY
//
// A token of the installation's operator comes as JSON on standard input, {operator}: the
// walk reads its mails there. It prints a line of JSON for each step, {step, error?}, and leaves pictures of every
// page in the directory. Chapters stand on one another: what one leaves, the next finds.
import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";

import { withBrowser } from "./browser.mjs";
import { access } from "./chapters/access.mjs";
import { cluster } from "./chapters/cluster.mjs";
import { create } from "./chapters/create.mjs";
import { dashboard, welcome } from "./chapters/dashboard.mjs";
import { door } from "./chapters/door.mjs";
import { factors } from "./chapters/factors.mjs";
import { leave } from "./chapters/leave.mjs";
import { offline } from "./chapters/offline.mjs";
import { operate } from "./chapters/operator.mjs";
import { password } from "./chapters/password.mjs";
import { pools } from "./chapters/pools.mjs";
import { profile } from "./chapters/profile.mjs";
import { remove } from "./chapters/delete.mjs";
import { team } from "./chapters/team.mjs";
import { terminal } from "./chapters/terminal.mjs";
import { signOn } from "./chapters/signon.mjs";
import { tokens } from "./chapters/tokens.mjs";
import { workloads } from "./chapters/workloads.mjs";
import { mailbox } from "./mail.mjs";

const [url, dir] = process.argv.slice(2);
const { operator } = JSON.parse(readFileSync(0, "utf8"));
await mkdir(dir, { recursive: true });

const person = { email: "ada@example.com", password: "the engine weaves patterns" };

await withBrowser(async (browser) => {
  const page = await browser.newPage();
  page.setDefaultTimeout(15_000);
  const surprises = [];
  page.on("pageerror", (e) => surprises.push(`an error in the page: ${e.message}`));
  page.on("console", (m) => {
    // That a request was refused is what some steps are about.
    if (m.type() === "error" && !m.text().startsWith("Failed to load resource")) surprises.push(m.text());
  });
  page.on("request", (r) => {
    if (!r.url().startsWith(url) && !/^(blob|data):/.test(r.url())) surprises.push(`a request to another host: ${r.url()}`);
  });

  let broken = false;
  const step = async (name, work) => {
    if (broken) return;
    let error;
    try {
      const wrong = [...((await work()) ?? []), ...surprises.splice(0)];
      if (wrong.length > 0) error = wrong.join("\n");
    } catch (e) {
      // What follows stands on this step.
      broken = true;
      error = `${e.message}\nat ${page.url()}`;
      await page.screenshot({ path: path.join(dir, `failed-${name.replaceAll(" ", "-")}.png`) }).catch(() => {});
    }
    console.log(JSON.stringify({ step: name, error }));
  };
  const button = (name) => page.getByRole("button", { name, exact: true });
  const heading = (name) => page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
  const tab = (name) => page.getByRole("tab", { name, exact: true }).click();

  const walk = { browser, page, url, dir, person, operator, link: mailbox(url, operator), surprises, step, button, heading, tab };
  const chapters = [
    door, welcome, create, cluster, access, terminal, workloads, signOn, pools, dashboard, offline, tokens, profile, password, team, remove,
    factors, leave, operate,
  ];
  for (const chapter of chapters) await chapter(walk);
});

// Measures the console against a running Marina:
//
//   node measure.mjs URL RUNS
//
// The account and its token come as JSON on standard input: {email, password, token,
// cluster}. It prints one line of JSON for each sample, {figure, value}.
import { readFileSync } from "node:fs";

import { withBrowser } from "./browser.mjs";

const [url, runs] = process.argv.slice(2);
const { email, password, token, cluster } = JSON.parse(readFileSync(0, "utf8"));
const logIn = async (page, next) => {
  await page.goto(`${url}/login?next=${next}`);
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
};
const say = (figure, value) => console.log(JSON.stringify({ figure, value }));

await withBrowser(async (browser) => {
  // What a stranger's browser loads and shows first, with nothing in its cache.
  for (let n = 0; n < runs; n++) {
    const page = await browser.newPage();
    const cdp = await browser.newCDPSession(page);
    await cdp.send("Network.setCacheDisabled", { cacheDisabled: true });
    await page.goto(`${url}/login`);
    await page.getByRole("button", { name: "Log in", exact: true }).waitFor();
    const { bytes, paint } = await page.evaluate(
      () =>
        new Promise((done) => {
          const scripts = performance.getEntriesByType("resource").filter((r) => new URL(r.name).pathname.endsWith(".js"));
          const bytes = scripts.reduce((sum, r) => sum + r.encodedBodySize, 0);
          new PerformanceObserver((list) => done({ bytes, paint: list.getEntries().at(-1).startTime })).observe({ type: "largest-contentful-paint", buffered: true });
        }),
    );
    say("first_page_js_gzip_kb", bytes / 1000);
    say("lcp_ms_p50", paint);
    await page.close();
  }
  // From the moment at which a change is asked for until it is on the screen.
  const page = await browser.newPage();
  await logIn(page, `/clusters/${cluster}/nodes`);
  await page.keyboard.press("Enter");
  await page.getByText("No nodes yet").waitFor();
  await page.waitForTimeout(1000); // the stream has begun
  for (let n = 0; n < runs; n++) {
    const name = `bench-${n}`;
    const seen = page.getByRole("heading", { name, exact: true }).waitFor();
    const began = performance.now();
    const answer = await fetch(`${url}/v1/clusters/${cluster}/node-pools`, {
      method: "POST", headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" }, body: JSON.stringify({ name, count: 0 }),
    });
    if (!answer.ok) throw new Error(`the pool is refused: ${await answer.text()}`);
    await seen;
    say("state_to_screen_ms_p50", performance.now() - began);
  }
  await page.close();
  // From the first log-in of somebody whose address is verified until kubectl in the
  // browser has answered: the cluster is made meanwhile. It has no nodes.
  for (let n = 0; n < runs; n++) {
    await browser.clearCookies();
    const fresh = await browser.newPage();
    fresh.setDefaultTimeout(120_000);
    const name = `first-${n}`;
    await logIn(fresh, "/clusters");
    const began = performance.now();
    await fresh.keyboard.press("Enter");
    await fresh.getByRole("link", { name: "Create cluster" }).click();
    await fresh.getByLabel("Name").first().fill(name);
    await fresh.getByLabel("Nodes").fill("0");
    await fresh.getByRole("button", { name: "Create cluster" }).click();
    await fresh.locator("header .status").filter({ hasText: "Running" }).waitFor();
    await fresh.getByRole("tab", { name: "Terminal" }).click();
    await fresh.getByText("Connected", { exact: true }).waitFor();
    await fresh.keyboard.type("kubectl get nodes\n");
    await fresh.locator(".xterm-rows").getByText("No resources found").waitFor();
    say("signup_to_kubectl_s", (performance.now() - began) / 1000);
    const made = new URL(fresh.url()).pathname.split("/")[2];
    await fresh.close();
    await fetch(`${url}/v1/clusters/${made}`, { method: "DELETE", headers: { Authorization: `Bearer ${token}` } });
  }
});

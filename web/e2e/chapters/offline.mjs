/** What a page does that was cut off for a while, or for good. */
export async function offline({ browser, page, url, person, surprises, step, heading, tab }) {
  await step("what changed while the browser was offline is shown without a reload", async () => {
    await page.getByRole("link", { name: "Clusters", exact: true }).click();
    await page.getByRole("link", { name: "shop" }).click();
    await tab("Nodes");
    await page.getByRole("region", { name: "Node pool workers" }).waitFor();
    await page.evaluate(() => { document.body.dataset.same = "page"; });
    const pools = `${url}/v1/clusters/${new URL(page.url()).pathname.split("/")[2]}/node-pools`;
    const headers = { "Content-Type": "application/json", Cookie: (await browser.cookies(url)).map(({ name, value }) => `${name}=${value}`).join("; ") };

    await browser.setOffline(true);
    const notice = page.getByRole("status").getByText("You are offline");
    await notice.waitFor();
    const made = await fetch(pools, { method: "POST", headers, body: JSON.stringify({ name: "meanwhile", count: 0 }) });
    if (!made.ok) return [`the pool is refused: ${await made.text()}`];
    await browser.setOffline(false);

    const pool = page.getByRole("region", { name: "Node pool meanwhile" });
    await pool.waitFor();
    await notice.waitFor({ state: "detached" });
    if ((await page.evaluate(() => document.body.dataset.same)) !== "page") return ["the page was loaded again"];
    await fetch(`${pools}/${(await made.json()).id}`, { method: "DELETE", headers });
    await pool.waitFor({ state: "detached", timeout: 60_000 });
  });
  await step("a session that is ended elsewhere leads to the log-in, and back", async () => {
    const elsewhere = await fetch(`${url}/v1/login`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(person) });
    const headers = { Authorization: `Bearer ${(await elsewhere.json()).token.secret}` };
    const { items } = await (await fetch(`${url}/v1/sessions`, { headers })).json();
    for (const s of items.filter((x) => !x.current)) await fetch(`${url}/v1/sessions/${s.id}`, { method: "DELETE", headers });
    await page.getByRole("heading", { level: 1, name: "Log in", exact: true }).waitFor({ timeout: 40_000 });
    surprises.length = 0; // the console tells developers of the refusal
    await page.getByLabel("E-mail address").fill(person.email);
    await page.getByLabel("Password", { exact: true }).fill(person.password);
    await page.keyboard.press("Enter");
    await heading("shop");
    await page.getByRole("region", { name: "Node pool workers" }).waitFor();
  });
}

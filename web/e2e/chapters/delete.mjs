import { look } from "../look.mjs";

/** What is not there, and a cluster that goes. */
export async function remove({ page, url, dir, surprises, step, button, heading, tab }) {
  await step("another cluster's id is not found", async () => {
    await page.goto(`${url}/clusters/kc-01k9xw3e5v8m2q4r6t8y0a1b2c`);
    await heading("Not found");
    surprises.length = 0; // the console tells developers of the refusal
    return look(page, dir, "not-found");
  });
  await step("a cluster is renamed and protected", async () => {
    await page.getByRole("link", { name: "Clusters", exact: true }).click();
    await page.getByRole("link", { name: "shop" }).click();
    await tab("Settings");
    await page.getByLabel("Name", { exact: true }).fill("store");
    await button("Rename").click();
    await heading("store");
    await page.getByLabel("Name", { exact: true }).fill("shop");
    await button("Rename").click();
    await heading("shop");
    const protection = page.getByRole("switch", { name: "Deletion protection" });
    await protection.press("Space");
    await page.getByRole("switch", { name: "Deletion protection", checked: true }).waitFor({ state: "attached" });
    const pictures = await look(page, dir, "settings");
    await tab("Danger");
    await page.getByText("Deletion protection is on.").waitFor();
    if (await button("Delete cluster").isVisible()) pictures.push("a protected cluster can be deleted");
    pictures.push(...(await look(page, dir, "danger-protected")));
    await tab("Settings");
    const answer = page.waitForResponse((r) => r.request().method() === "PATCH");
    await protection.press("Space");
    if ((await answer).status() !== 200) pictures.push("deletion protection is not taken off");
    return pictures;
  });
  await step("a cluster is deleted only by its name", async () => {
    await page.getByRole("link", { name: "Clusters", exact: true }).click();
    await page.getByRole("link", { name: "shop" }).waitFor();
    const pictures = await look(page, dir, "clusters");
    await page.getByRole("link", { name: "shop" }).click();
    await tab("Danger");
    if (await button("Delete cluster").isEnabled()) return ["the cluster can be deleted without its name"];
    await page.getByLabel("to confirm").fill("shop");
    pictures.push(...(await look(page, dir, "danger")));
    await button("Delete cluster").click();
    await page.getByText("Create your first cluster").waitFor({ timeout: 90_000 });
    return pictures;
  });
  await step("a deleted cluster is brought back, and deleted for good", async () => {
    await button("Undelete shop").waitFor({ timeout: 60_000 });
    const pictures = await look(page, dir, "deleted-clusters");
    await button("Undelete shop").click();
    await heading("shop");
    await page.locator("header .status", { hasText: "Running" }).waitFor({ timeout: 90_000 });
    await tab("Danger");
    await page.getByLabel("to confirm").fill("shop");
    await button("Delete cluster").click();
    await button("Undelete shop").waitFor({ timeout: 90_000 });
    await page.getByRole("link", { name: "shop" }).click();
    await page.getByText("This cluster is deleted").waitFor();
    pictures.push(...(await look(page, dir, "recoverable")));
    await page.getByLabel("to confirm").fill("shop");
    await button("Delete for good").click();
    await page.getByText("Create your first cluster").waitFor();
    await button("Undelete shop").waitFor({ state: "detached", timeout: 60_000 });
    return pictures;
  });
}

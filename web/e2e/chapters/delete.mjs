import { look } from "../look.mjs";

/** What is not there, and a cluster that goes. */
export async function remove({ page, url, dir, surprises, step, button, heading, tab }) {
  await step("another cluster's id is not found", async () => {
    await page.goto(`${url}/clusters/kc-01k9xw3e5v8m2q4r6t8y0a1b2c`);
    await heading("Not found");
    surprises.length = 0; // the console tells developers of the refusal
    return look(page, dir, "not-found");
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
}

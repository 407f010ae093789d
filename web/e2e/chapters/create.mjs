import { look } from "../look.mjs";

/** A first cluster, and its first node. */
export async function create({ page, dir, step, button, heading, tab }) {
  await step("an empty list says what a cluster is", async () => {
    await page.getByRole("link", { name: "Clusters" }).click();
    await page.getByText("Create your first cluster").waitFor();
    return look(page, dir, "clusters-empty");
  });
  await step("a bad name is refused at the field", async () => {
    await page.getByRole("link", { name: "Create cluster" }).click();
    await heading("Create a cluster");
    await page.getByLabel("Name").first().fill("Not a name");
    await button("Create cluster").click();
    await page.getByText("Must consist of lower-case letters").waitFor();
    return look(page, dir, "create");
  });
  await step("a cluster comes up before one's eyes", async () => {
    await page.getByLabel("Name").first().fill("shop");
    await page.getByLabel("Nodes").fill("1");
    await button("Create cluster").click();
    await heading("shop");
    const pictures = await look(page, dir, "cluster-creating");
    await page.locator("header .status").filter({ hasText: "Running" }).waitFor({ timeout: 90_000 });
    return pictures;
  });
  await step("its node joins without a reload", async () => {
    await tab("Nodes");
    await page.locator("td .status").filter({ hasText: "Ready" }).waitFor({ timeout: 150_000 });
    return look(page, dir, "nodes");
  });
}

import { look } from "../look.mjs";

/** Node pools come, change and go. */
export async function pools({ page, dir, step, button, tab }) {
  await step("a pool is added empty, and resized", async () => {
    await tab("Nodes");
    await button("Add a node pool").click();
    const dialog = page.getByRole("dialog", { name: "Add a node pool" });
    await dialog.getByLabel("Name").fill("workers");
    await dialog.getByLabel("Nodes").fill("0");
    await dialog.getByRole("button", { name: "Add pool" }).click();
    await dialog.getByText("a node pool of this name already").waitFor();
    const pictures = await look(page, dir, "pool-add");
    await dialog.getByLabel("Name").fill("spare");
    await dialog.getByRole("button", { name: "Add pool" }).click();
    await page.getByRole("region", { name: "Node pool spare" }).waitFor();
    await page.getByRole("region", { name: "Node pool workers" }).getByRole("button", { name: "Resize" }).click();
    const resize = page.getByRole("dialog", { name: "Resize workers" });
    await resize.getByLabel("Nodes").fill("0");
    const more = await look(page, dir, "pool-resize");
    await resize.getByRole("button", { name: "Resize" }).click();
    await page.getByRole("region", { name: "Node pool workers" }).getByText("The pool is empty.").waitFor({ timeout: 90_000 });
    return [...pictures, ...more];
  });
  await step("a pool is deleted", async () => {
    await page.getByRole("button", { name: "Delete the pool spare" }).click();
    await page.getByRole("dialog", { name: "Delete spare?" }).getByRole("button", { name: "Delete pool" }).click();
    await page.getByRole("region", { name: "Node pool spare" }).waitFor({ state: "detached", timeout: 60_000 });
  });
}

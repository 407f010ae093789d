import { readFile } from "node:fs/promises";

import { look } from "../look.mjs";

/** The pages of a cluster that only show. */
export async function cluster({ page, dir, step, button, tab }) {
  await step("the overview is whole", async () => {
    await tab("Overview");
    await page.getByText("1 of 1 node ready").waitFor();
    await page.getByText("API server answers").waitFor();
    return look(page, dir, "cluster");
  });
  await step("a kubeconfig is downloaded", async () => {
    const download = page.waitForEvent("download");
    await button("Kubeconfig").click();
    const text = await readFile(await (await download).path(), "utf8");
    if (!text.includes("kind: Config") || !text.includes("tls-server-name")) return ["the file is no kubeconfig"];
  });
  await step("activity and logs are there", async () => {
    await tab("Activity");
    await page.getByText("The cluster is running").first().waitFor();
    const pictures = await look(page, dir, "activity");
    await tab("Logs");
    await page.locator("pre.log").filter({ hasText: /\S{10}/ }).waitFor();
    return [...pictures, ...(await look(page, dir, "logs"))];
  });
}

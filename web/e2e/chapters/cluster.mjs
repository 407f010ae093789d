import { X509Certificate } from "node:crypto";
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
    await button("Kubeconfig").click();
    const dialog = page.getByRole("dialog", { name: "Download a kubeconfig" });
    await dialog.getByLabel("Good for").first().click();
    await page.getByRole("option", { name: "7 days", exact: true }).click();
    const pictures = await look(page, dir, "kubeconfig");
    const download = page.waitForEvent("download");
    await dialog.getByRole("button", { name: "Download" }).click();
    const text = await readFile(await (await download).path(), "utf8");
    await dialog.waitFor({ state: "detached" });
    if (!text.includes("kind: Config") || !text.includes("tls-server-name")) return ["the file is no kubeconfig"];
    const certificate = new X509Certificate(Buffer.from(/client-certificate-data: (\S+)/.exec(text)?.[1] ?? "", "base64"));
    const days = (Date.parse(certificate.validTo) - Date.now()) / 86_400_000;
    return Math.abs(days - 7) < 0.1 ? pictures : [`the kubeconfig is good for ${days} days, not 7`];
  });
  await step("activity and logs are there", async () => {
    await tab("Activity");
    await page.getByText("The cluster is running").first().waitFor();
    const pictures = await look(page, dir, "activity");
    await tab("Logs");
    await page.locator("pre.log").filter({ hasText: /\S{10}/ }).waitFor();
    await page.getByText("Following", { exact: true }).waitFor();
    return [...pictures, ...(await look(page, dir, "logs"))];
  });
  await step("a log stands still while one reads what is older", async () => {
    const log = page.locator("pre.log");
    await log.evaluate((e) => { e.scrollTop = 0; });
    await button("Go on").or(page.getByRole("button", { name: /^Go on \(/ })).click();
    await page.waitForFunction(() => { const e = document.querySelector("pre.log"); return e.scrollHeight - e.scrollTop - e.clientHeight < 4; });
    const download = page.waitForEvent("download");
    await button("Download").click();
    const text = await readFile(await (await download).path(), "utf8");
    return text.split("\n").length > 50 ? [] : ["the downloaded log is short"];
  });
  await step("a log that nobody sees is not followed", async () => {
    const hide = (hidden) => page.evaluate((value) => {
      Object.defineProperty(document, "hidden", { value, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
    const log = (r) => r.url().includes("/logs?");
    const ended = page.waitForEvent("requestfailed", log);
    await hide(true);
    await ended;
    const begun = page.waitForRequest(log);
    await hide(false);
    await begun;
    await page.getByText("Following", { exact: true }).waitFor();
  });
}

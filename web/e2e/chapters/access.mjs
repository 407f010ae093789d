import { look } from "../look.mjs";

/** Who gets into a cluster, with what, and from where. */
export async function access({ page, dir, step, button, tab }) {
  await step("a kubeconfig is listed, and revoked", async () => {
    await tab("Overview");
    await button("Kubeconfig").click();
    const dialog = page.getByRole("dialog", { name: "Download a kubeconfig" });
    const download = page.waitForEvent("download");
    await dialog.getByRole("button", { name: "Download" }).click();
    await download;
    await dialog.waitFor({ state: "detached" });
    await tab("Access");
    const newest = page.getByRole("region", { name: "Credentials" }).getByRole("row").nth(1); // below the names of the columns
    await newest.getByText("kubeconfig file").waitFor();
    await newest.getByText("never").waitFor();
    const pictures = await look(page, dir, "access");
    await newest.getByRole("button", { name: /^Revoke/ }).click();
    await newest.getByText("Revoked", { exact: true }).waitFor();
    return pictures;
  });
  await step("a wrong network is named where it is", async () => {
    await page.getByText("Everybody who has credentials gets in").waitFor();
    await button("Add network").click();
    await page.getByRole("textbox", { name: "Network 1" }).fill("203.0.113.0/24");
    await page.getByText(/^Your address, .* is in none of these networks/).waitFor();
    await button("Add network").click();
    await page.getByRole("textbox", { name: "Network 2" }).fill("the office");
    await button("Save networks").click();
    await page.getByText(/^Is not a network in CIDR notation/).waitFor();
    return look(page, dir, "networks-wrong");
  });
  await step("networks are authorized, and taken back", async () => {
    await button("Remove the network the office").click();
    await button("Save, and lock me out").waitFor();
    const pictures = await look(page, dir, "networks-locked-out");
    await page.getByRole("button", { name: /^Add my address/ }).click();
    await button("Save networks").click();
    await button("Save networks").waitFor({ state: "detached" });
    await page.reload();
    const mine = await page.getByRole("textbox", { name: "Network 2" }).inputValue();
    if (!/^(127\.0\.0\.1\/32|::1\/128)$/.test(mine)) return [`the own address became ${mine}`];
    pictures.push(...(await look(page, dir, "networks")));
    for (const n of [mine, "203.0.113.0/24"]) await button(`Remove the network ${n}`).click();
    await button("Save networks").click();
    await page.getByText("Everybody who has credentials gets in").waitFor();
    return pictures;
  });
}

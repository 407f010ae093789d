import { look } from "../look.mjs";

/** Tokens for programs. */
export async function tokens({ page, dir, step, button }) {
  await step("a token is shown once, and revoked", async () => {
    await page.getByRole("link", { name: "API tokens" }).click();
    await button("Create token").click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("<img src=x onerror=alert(1)>");
    await dialog.getByRole("button", { name: "Create token" }).click();
    await dialog.getByText("shown once").waitFor();
    const pictures = await look(page, dir, "token-new");
    await dialog.getByRole("button", { name: "Done" }).click();
    pictures.push(...(await look(page, dir, "tokens")));
    await page.getByRole("button", { name: /^Revoke the token/ }).click();
    await page.getByText("No tokens yet").waitFor();
    return pictures;
  });
}

import { look } from "../look.mjs";

/** A cluster takes the tokens of somebody else's issuer. */
export async function signOn({ page, dir, step, button, tab }) {
  const field = (name) => page.getByLabel(name, { exact: true });
  await step("single sign-on is explained where there is none", async () => {
    await tab("Access");
    await page.getByText("The cluster takes nobody else's tokens.").waitFor();
    await button("Set up single sign-on").click();
    return look(page, dir, "sign-on-form");
  });
  await step("a wrong issuer is named at its field", async () => {
    await field("Issuer").fill("http://login.example.com");
    await field("Client id").fill("kubernetes");
    await field("Prefix of names").fill("system:");
    await button("Save").click();
    await page.getByText("URL scheme must be https").waitFor();
    await page.getByText("Is reserved; choose another one").waitFor();
  });
  await step("single sign-on is set up", async () => {
    await field("Issuer").fill("https://login.example.com");
    await field("Prefix of names").fill("oidc:");
    await button("Save").click();
    await page.getByText("oidc:<sub>").waitFor();
    await page.getByLabel("commands to log in", { exact: true }).filter({ hasText: "--oidc-client-id=kubernetes" }).waitFor();
    await page.getByText("cannot be asked for its keys").waitFor(); // nobody is called so
    return look(page, dir, "sign-on");
  });
  await step("an issuer is changed as YAML", async () => {
    await button("Edit as YAML").click();
    const text = field("Issuers as YAML");
    const before = await text.inputValue();
    await text.fill(before.replace("claim: sub", "expression: claim.sub"));
    await button("Save").click();
    await page.getByText("jwt[0].claimMappings.username").first().waitFor();
    const pictures = await look(page, dir, "sign-on-yaml");
    await text.fill(before.replace("- kubernetes", "- kubectl"));
    await button("Save").click();
    await page.getByText("for kubectl; names").waitFor();
    return pictures;
  });
  await step("single sign-on is turned off", async () => {
    await button("Turn off").click();
    await page.getByText("The cluster takes nobody else's tokens.").waitFor();
  });
}

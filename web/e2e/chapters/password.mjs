import { look } from "../look.mjs";

/** Another password: changed by who knows it, and chosen anew by who has forgotten it. */
export async function password({ browser, page, url, dir, person, link, step, button, heading }) {
  await step("a password is changed by who knows it", async () => {
    await page.goto(`${url}/profile`);
    await heading("Profile");
    const wanted = `${person.password} twice`;
    await page.getByLabel("Present password", { exact: true }).fill("not the password at all");
    await page.getByLabel("New password", { exact: true }).fill(wanted);
    await button("Change password").click();
    await page.getByText("Is not your present one.").waitFor();
    await page.getByLabel("Present password", { exact: true }).fill(person.password);
    await button("Change password").click();
    await page.getByText("Your password is changed.").waitFor();
    person.password = wanted;
  });
  await step("who has forgotten the password chooses another one by mail", async () => {
    const tab = await browser.newPage();
    try {
      tab.setDefaultTimeout(15_000);
      const title = (name) => tab.getByRole("heading", { level: 1, name, exact: true }).waitFor();
      await tab.goto(`${url}/login`);
      await tab.getByRole("link", { name: "Forgot your password?" }).click();
      await title("Forgot your password?");
      const wrong = (await look(tab, dir, "forgot")) ?? [];
      await tab.getByLabel("E-mail address").fill(person.email);
      await tab.getByRole("button", { name: "Send the link" }).click();
      await title("Look at your mail");
      await tab.goto(await link(person.email));
      await title("Choose a new password");
      if (tab.url() !== `${url}/reset`) wrong.push(`the address is ${tab.url()}`);
      wrong.push(...((await look(tab, dir, "reset")) ?? []));
      person.password = "a loom for numbers";
      await tab.getByLabel("New password", { exact: true }).fill(person.password);
      await tab.getByRole("button", { name: "Change password" }).click();
      await title("Your password is changed");
      return wrong;
    } finally {
      await tab.close();
    }
  });
  await step("a new password ends every session", async () => {
    await page.goto(`${url}/profile`);
    await heading("Log in");
    await page.getByLabel("E-mail address").fill(person.email);
    await page.getByLabel("Password", { exact: true }).fill(person.password);
    await button("Log in").click();
    await heading("Profile");
  });
}

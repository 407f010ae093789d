import { look } from "../look.mjs";

/** The way in: log-in and sign-up. */
export async function door({ page, url, dir, person, step, button, heading }) {
  await step("a stranger is asked to log in, and knows where to go on", async () => {
    await page.goto(`${url}/tokens`);
    await heading("Log in");
    if (new URL(page.url()).searchParams.get("next") !== "/tokens") return [`the address is ${page.url()}`];
    return look(page, dir, "login");
  });
  await step("a wrong password is refused", async () => {
    await page.getByLabel("E-mail address").fill(person.email);
    await page.getByLabel("Password", { exact: true }).fill("not the password at all");
    await button("Log in").click();
    await page.getByRole("alert").filter({ hasText: "wrong" }).waitFor();
  });
  await step("a sign-up says at the field what is wrong", async () => {
    await page.getByRole("link", { name: "Create an account" }).click();
    await heading("Create your account");
    await page.getByLabel("E-mail address").fill(person.email);
    await page.getByLabel("Password", { exact: true }).fill("short");
    await button("Create account").click();
    await page.getByText("Must have 12 to 200 characters.").waitFor();
    return look(page, dir, "signup");
  });
  await step("a sign-up ends where the person wanted to go", async () => {
    await page.getByLabel("Password", { exact: true }).fill(person.password);
    await page.getByLabel("Organization").fill("<script>alert(1)</script> Engines");
    await button("Create account").click();
    await heading("API tokens");
    return look(page, dir, "tokens-empty");
  });
}

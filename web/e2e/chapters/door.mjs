import { look } from "../look.mjs";

/** The way in: log-in, and sign-up with a mail. */
export async function door({ page, url, dir, person, link, step, button, heading }) {
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
    await page.getByLabel("E-mail address").fill("ada");
    await button("Go on").click();
    await page.getByText("Must be an e-mail address").waitFor();
    return look(page, dir, "signup");
  });
  await step("a sign-up sends to the mail", async () => {
    await page.getByLabel("E-mail address").fill(person.email);
    await button("Go on").click();
    await heading("Look at your mail");
    return look(page, dir, "look-at-your-mail");
  });
  await step("a link that is not good leads to another one", async () => {
    await page.goto(`${url}/verify#marina_nothing`);
    await heading("Finish signing up");
    await page.getByLabel("Password", { exact: true }).fill(person.password);
    await button("Create account").click();
    await heading("This link is not good");
    return look(page, dir, "bad-link");
  });
  await step("the mail's link asks for a password, and is in the address no more", async () => {
    const found = await link(person.email);
    await page.goto("about:blank"); // as from a program for mails
    await page.goto(found);
    await heading("Finish signing up");
    if (page.url() !== `${url}/verify`) return [`the address is ${page.url()}`];
    await page.getByLabel("Password", { exact: true }).fill("short");
    await button("Create account").click();
    await page.getByText("Must have 12 to 200 characters.").waitFor();
    return look(page, dir, "verify");
  });
  await step("a verified sign-up is logged in", async () => {
    await page.getByLabel("Password", { exact: true }).fill(person.password);
    await page.getByLabel("Organization").fill("<script>alert(1)</script> Engines");
    await button("Create account").click();
    await page.getByRole("banner").waitFor();
    const stored = await page.evaluate(() => JSON.stringify([location.href, { ...localStorage }, { ...sessionStorage }]));
    if (stored.includes("marina_")) return [`a secret stays in the browser: ${stored}`];
    await page.goto(`${url}/tokens`);
    await heading("API tokens");
    return look(page, dir, "tokens-empty");
  });
}

/** The way out. */
export async function leave({ page, url, person, step, button, heading }) {
  await step("whoever logs out is out", async () => {
    await page.getByRole("banner").getByRole("button").filter({ hasText: /^(AD|A)?(ada@example.com|Ada)$/ }).click();
    await page.getByRole("menuitem", { name: "Log out" }).click();
    await heading("Log in");
    await page.goto(`${url}/clusters`);
    await heading("Log in");
    await page.getByLabel("E-mail address").fill(person.email);
    await page.getByLabel("Password", { exact: true }).fill(person.password);
    await page.keyboard.press("Enter");
    await heading("Clusters");
  });
}

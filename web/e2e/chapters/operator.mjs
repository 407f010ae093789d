import { look } from "../look.mjs";

/** What whoever runs the installation sees, and nobody else. */
export async function operate({ browser, page, url, dir, person, operator, surprises, step, heading }) {
  await step("there is no operator's view for others", async () => {
    if (await page.getByRole("link", { name: "Installation" }).count()) return ["the navigation shows it"];
    await page.goto(`${url}/operator/organizations`);
    await heading("Not found");
    surprises.length = 0; // the console tells developers of the refusal
  });
  await step("an operator sees how the installation is", async () => {
    await browser.addCookies([{ name: "marina_session", value: operator, url, httpOnly: true }]);
    await page.evaluate(() => sessionStorage.clear()); // the organization of the person before
    await page.goto(url);
    await page.getByRole("link", { name: "Installation" }).click();
    await heading("Installation");
    await page.getByText("Healthy", { exact: true }).waitFor();
    await page.getByText("The router carries connections to clusters").waitFor();
    return look(page, dir, "operator-installation");
  });
  await step("an operator finds an organization by its member", async () => {
    await page.getByRole("link", { name: "Organizations" }).click();
    await heading("Organizations");
    await page.getByRole("searchbox").fill(person.email);
    await page.getByRole("row").filter({ hasText: person.email }).getByText("<script>alert(1)</script> Engines").waitFor();
    const pictures = await look(page, dir, "operator-organizations");
    await page.getByRole("searchbox").fill("nobody at all");
    await page.getByText("Nothing is found").waitFor();
    return pictures;
  });
  await step("an operator sees all clusters, nodes and mails", async () => {
    const pictures = [];
    for (const name of ["All clusters", "All nodes", "Mails"]) {
      await page.getByRole("link", { name }).click();
      await heading(name);
      pictures.push(...(await look(page, dir, `operator-${name.toLowerCase().replace("all ", "")}`)));
    }
    await page.getByRole("row").filter({ hasText: person.email }).getByRole("button").first().click();
    await page.getByText("This installation has no mail server").waitFor();
    return [...pictures, ...(await look(page, dir, "operator-mail"))];
  });
}

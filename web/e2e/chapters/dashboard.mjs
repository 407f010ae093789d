import { look } from "../look.mjs";

/** The first page of who has no cluster yet. */
export async function welcome({ page, dir, step, heading }) {
  await step("the first page leads to a first cluster", async () => {
    await page.getByRole("link", { name: "Dashboard" }).click();
    await heading("Welcome to Marina");
    if ((await page.getByRole("link", { name: "Dashboard" }).getAttribute("aria-current")) !== "page") return ["the navigation does not say where one is"];
    return look(page, dir, "welcome");
  });
  await step("the keyboard skips the navigation", async () => {
    await page.reload();
    await heading("Welcome to Marina");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    const focused = await page.evaluate(() => document.activeElement?.closest("main") !== null);
    if (!focused) return ["the focus is not in the page's content"];
  });
  await step("on a phone the pages are behind a button", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await page.getByRole("button", { name: "Menu" }).click();
    const drawer = page.getByRole("dialog", { name: "Menu" });
    await drawer.getByRole("link", { name: "API tokens" }).waitFor();
    await page.keyboard.press("Escape");
    await drawer.waitFor({ state: "hidden" });
    await page.getByRole("button", { name: "Menu" }).click();
    await drawer.getByRole("link", { name: "API tokens" }).click();
    await heading("API tokens");
    await drawer.waitFor({ state: "hidden" });
    await page.setViewportSize({ width: 1280, height: 800 });
  });
}

/** The first page of who has a cluster. */
export async function dashboard({ page, dir, step, heading }) {
  await step("the dashboard shows what runs and what it costs", async () => {
    await page.getByRole("link", { name: "Dashboard" }).click();
    await heading("Dashboard");
    const row = page.getByRole("row").filter({ hasText: "shop" });
    await row.getByText("Running").waitFor();
    await row.getByText(/0\.0/).first().waitFor();
    await page.getByText(/an hour$/).first().waitFor();
    await page.getByText(/^shop: /).first().waitFor();
    return look(page, dir, "dashboard");
  });
}

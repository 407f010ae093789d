import { look } from "../look.mjs";

/** The person's own page. */
export async function profile({ page, dir, step, button, heading }) {
  await step("the profile shows this session", async () => {
    await page.getByRole("banner").getByRole("button").filter({ hasText: /^(AD|A)?(ada@example.com|Ada)$/ }).click();
    await page.getByRole("menuitem", { name: "Profile and sessions" }).click();
    await heading("Profile");
    await page.getByText("this one").waitFor();
    await page.getByLabel("Name", { exact: true }).fill("Ada");
    await button("Save").click();
    await page.getByRole("banner").getByRole("button", { name: "Ada", exact: true }).waitFor();
    return look(page, dir, "profile");
  });
}

import { readFile } from "node:fs/promises";

import { withBrowser } from "../browser.mjs";
import { look } from "../look.mjs";

const grace = { email: "grace@example.com", password: "the ship is in the harbour" };

/** A team: somebody is invited, joins in a browser of their own, may only look, and is removed. */
export async function team(walk) {
  await withBrowser(async (other) => together(walk, await other.newPage()));
}

async function together({ page, url, dir, person, link, step, button, heading }, hers) {
  hers.setDefaultTimeout(15_000);
  const seen = (name) => hers.getByRole("heading", { level: 1, name, exact: true }).waitFor();
  let found;

  await step("an invitation says at the field what is wrong", async () => {
    await page.getByRole("link", { name: "Members", exact: true }).click();
    await heading("Members");
    await page.getByText("Nobody is invited").waitFor();
    const pictures = await look(page, dir, "members-alone");
    await button("Invite people").click();
    const dialog = page.getByRole("dialog", { name: "Invite somebody" });
    await dialog.getByLabel("E-mail address").fill("grace");
    await dialog.getByRole("button", { name: "Send invitation" }).click();
    await dialog.getByText("Must be an e-mail address").waitFor();
    return [...pictures, ...(await look(page, dir, "invite"))];
  });
  await step("somebody is invited as a viewer", async () => {
    const dialog = page.getByRole("dialog", { name: "Invite somebody" });
    await dialog.getByLabel("E-mail address").fill(grace.email);
    await dialog.getByRole("combobox", { name: "Role" }).or(dialog.getByRole("textbox", { name: "Role" })).click();
    await page.getByRole("option", { name: "Viewer" }).click();
    await dialog.getByRole("button", { name: "Send invitation" }).click();
    await page.getByRole("region", { name: "Invitations" }).getByText(grace.email).waitFor();
    found = await link(grace.email);
    return look(page, dir, "members-invited");
  });
  await step("who is logged in with another address is refused, and not told whose it is", async () => {
    await page.goto("about:blank");
    await page.goto(found);
    await page.getByRole("button", { name: "Accept invitation" }).click();
    await page.getByRole("alert").filter({ hasText: "another e-mail address" }).waitFor();
    const wrong = (await page.content()).includes(grace.email) ? ["the refusal says for whom the invitation is"] : [];
    return [...wrong, ...(await look(page, dir, "invitation-of-another"))];
  });
  await step("whoever has the mail joins in a browser of their own", async () => {
    await hers.goto(found);
    await hers.getByText("invites you to the organization").waitFor();
    if (hers.url() !== `${url}/invitation`) return [`the address is ${hers.url()}`];
    const pictures = await look(hers, dir, "invitation");
    await hers.getByLabel("Your name").fill("Grace");
    await hers.getByLabel("Password", { exact: true }).fill(grace.password);
    await hers.getByRole("button", { name: "Create account and join" }).click();
    await hers.getByRole("banner").waitFor();
    return pictures;
  });
  await step("a viewer sees everything, and nothing to change it with", async () => {
    const wrong = [];
    await hers.goto(`${url}/clusters`);
    await seen("Clusters");
    await hers.getByText("shop").first().waitFor();
    if (await hers.getByRole("link", { name: "Create cluster" }).count()) wrong.push("a viewer is offered to create clusters");
    if (await hers.getByRole("link", { name: "Audit log" }).count()) wrong.push("a viewer is offered the audit log");
    wrong.push(...(await look(hers, dir, "viewer-clusters")));
    await hers.goto(`${url}/members`);
    await hers.getByRole("region", { name: "Members" }).getByText(person.email).waitFor();
    for (const name of ["Invite people", `Remove ${person.email}`]) {
      if (await hers.getByRole("button", { name }).count()) wrong.push(`a viewer sees ${name}`);
    }
    return [...wrong, ...(await look(hers, dir, "viewer-members"))];
  });
  await step("a role is changed in place", async () => {
    await page.goto(`${url}/members`);
    const role = page.getByLabel(`Role of ${grace.email}`).first();
    await role.click();
    const pictures = await look(page, dir, "member-role");
    await page.getByRole("option", { name: "Developer" }).click();
    await page.waitForFunction((label) => document.querySelector(`input[aria-label="${label}"]:not([disabled])`)?.value === "Developer", `Role of ${grace.email}`);
    await hers.goto(`${url}/clusters`);
    await hers.getByRole("link", { name: "Create cluster" }).first().waitFor();
    return [...pictures, ...(await look(page, dir, "members"))];
  });
  await step("the last owner stays one", async () => {
    await page.getByLabel(`Role of ${person.email}`).first().click();
    await page.getByRole("option", { name: "Viewer" }).click();
    await page.getByRole("alert").filter({ hasText: "at least one owner" }).waitFor();
  });
  await step("a removed member is out at once", async () => {
    await page.getByRole("button", { name: `Remove ${grace.email}` }).click();
    const dialog = page.getByRole("dialog", { name: `Remove ${grace.email}?` });
    const pictures = await look(page, dir, "member-remove");
    await dialog.getByRole("button", { name: "Remove member" }).click();
    await page.getByRole("region", { name: "Members" }).getByText(grace.email).waitFor({ state: "detached" });
    await hers.goto(`${url}/clusters`);
    await hers.getByRole("heading", { level: 1, name: "You are not a member of any organization" }).waitFor();
    return [...pictures, ...(await look(hers, dir, "no-organization"))];
  });
  await step("the audit log says who did what, and is kept as a file", async () => {
    await page.getByRole("link", { name: "Audit log" }).click();
    await heading("Audit log");
    await page.getByText("member.remove").waitFor();
    const pictures = await look(page, dir, "audit");
    await page.getByLabel("Who", { exact: true }).fill(grace.email);
    await button("Show").click();
    await page.getByText("invitation.accept").waitFor();
    await page.getByText("member.remove").waitFor({ state: "detached" });
    const download = page.waitForEvent("download");
    await button("CSV").click();
    const text = await readFile(await (await download).path(), "utf8");
    if (!text.startsWith("id,at,actor,email,") || !text.includes("invitation.accept")) return ["the file is no audit log"];
    return [...pictures, ...(await look(page, dir, "audit-filtered"))];
  });
  await step("an organization is made, renamed, deleted, and another one goes on", async () => {
    await page.getByRole("button", { name: /^Organization / }).click();
    await page.getByRole("menuitem", { name: "Create organization" }).click();
    const dialog = page.getByRole("dialog", { name: "Create an organization" });
    await dialog.getByLabel("Name").fill("Second");
    await dialog.getByRole("button", { name: "Create organization" }).click();
    await page.getByRole("button", { name: "Organization Second" }).waitFor();
    await dialog.waitFor({ state: "detached" });
    await page.getByRole("link", { name: "Settings" }).click();
    await heading("Organization");
    await page.getByLabel("Name", { exact: true }).fill("Third");
    await button("Save").click();
    await page.getByRole("button", { name: "Organization Third" }).waitFor();
    const pictures = await look(page, dir, "organization");
    await page.getByLabel("to confirm").fill("Third");
    await button("Delete organization").click();
    await page.getByRole("button", { name: /^Organization .*Engines$/ }).waitFor();
    return pictures;
  });
}

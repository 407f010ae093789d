import { createHmac } from "node:crypto";

import { look } from "../look.mjs";

/** Other ways to log in than by a password alone: passkeys, and codes of an authenticator. */
export async function factors({ page, url, dir, person, step, button, heading }) {
  const menu = async (item) => {
    await page.getByRole("banner").getByRole("button", { name: "Ada", exact: true }).click();
    await page.getByRole("menuitem", { name: item }).click();
  };
  const toProfile = async () => {
    await menu("Profile and sessions");
    await heading("Profile");
  };
  const panel = (name) => page.locator("section.panel").filter({ has: page.getByRole("heading", { name, exact: true }) });
  const confirm = async () => {
    const dialog = page.getByRole("dialog", { name: "Confirm that it is you" });
    await dialog.getByLabel("Your password").fill(person.password);
    await dialog.getByRole("button", { name: "Confirm" }).click();
    await dialog.waitFor({ state: "detached" });
  };
  let secret, recovery, enabled;

  await step("a passkey is added once the person has confirmed who they are", async () => {
    const devices = await page.context().newCDPSession(page);
    await devices.send("WebAuthn.enable");
    await devices.send("WebAuthn.addVirtualAuthenticator", {
      options: { protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
    });
    await toProfile();
    await button("Add a passkey").click();
    const dialog = page.getByRole("dialog", { name: "Add a passkey" });
    await dialog.getByLabel("Name").fill("Ada's laptop");
    await dialog.getByRole("button", { name: "Continue" }).click();
    const asked = page.getByRole("dialog", { name: "Confirm that it is you" });
    await asked.getByLabel("Your password").fill("not the password at all");
    await asked.getByRole("button", { name: "Confirm" }).click();
    await asked.getByText("Is wrong.").waitFor();
    const pictures = await look(page, dir, "confirm");
    await confirm();
    await panel("Passkeys").getByRole("cell", { name: "Ada's laptop", exact: true }).waitFor();
    return [...pictures, ...(await look(page, dir, "profile-passkey"))];
  });
  await step("a passkey logs in without a password", async () => {
    await menu("Log out");
    await heading("Log in");
    await button("Log in with a passkey").click();
    await page.getByRole("banner").getByRole("button", { name: "Ada", exact: true }).waitFor();
  });
  await step("an authenticator is set up", async () => {
    await toProfile();
    await button("Set up an authenticator").click();
    const dialog = page.getByRole("dialog", { name: "Set up an authenticator" });
    secret = await dialog.getByLabel("secret", { exact: true }).innerText();
    const pictures = await look(page, dir, "authenticator");
    await dialog.getByLabel("Code", { exact: true }).fill("000000");
    await dialog.getByRole("button", { name: "Turn it on" }).click();
    await dialog.getByText("Does not belong to this secret").waitFor();
    enabled = now() - 1;
    await dialog.getByLabel("Code", { exact: true }).fill(code(secret, enabled));
    await dialog.getByRole("button", { name: "Turn it on" }).click();
    recovery = (await dialog.getByLabel("recovery codes", { exact: true }).innerText()).trim().split(/\s+/);
    if (recovery.length !== 10) return [`${recovery.length} recovery codes`];
    pictures.push(...(await look(page, dir, "recovery-codes")));
    await dialog.getByRole("button", { name: "I have kept them" }).click();
    await page.getByText("10 recovery codes are left.").waitFor();
    return [...pictures, ...(await look(page, dir, "profile-authenticator"))];
  });
  await step("a password alone lets nobody in any more", async () => {
    await menu("Log out");
    await heading("Log in");
    await page.getByLabel("E-mail address").fill(person.email);
    await page.getByLabel("Password", { exact: true }).fill(person.password);
    await page.keyboard.press("Enter");
    await heading("One more step");
    const pictures = await look(page, dir, "login-code");
    await page.getByLabel("Code", { exact: true }).fill(code(secret, enabled));
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: "was used before" }).waitFor();
    await page.getByLabel("Code", { exact: true }).fill(code(secret, now()));
    await page.keyboard.press("Enter");
    await page.getByRole("banner").getByRole("button", { name: "Ada", exact: true }).waitFor();
    return pictures;
  });
  await step("a recovery code confirms who it is, and the authenticator goes", async () => {
    await toProfile();
    await button("Remove the authenticator").click();
    const dialog = page.getByRole("dialog", { name: "Confirm that it is you" });
    await dialog.getByRole("button", { name: "Use a code" }).click();
    await dialog.getByLabel("Code", { exact: true }).fill(recovery[0]);
    await dialog.getByRole("button", { name: "Confirm" }).click();
    await button("Set up an authenticator").waitFor();
    await page.getByRole("button", { name: "Remove the passkey Ada's laptop" }).click();
    await page.getByText("No passkeys yet").waitFor();
  });
}

/** What an authenticator shows in a step of thirty seconds (RFC 6238). */
function code(secret, step) {
  const bits = [...secret.trim()].map((c) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(c).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac("sha1", key).update(counter).digest();
  return String((mac.readUInt32BE(mac.at(-1) & 0xf) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

const now = () => Math.floor(Date.now() / 30_000);

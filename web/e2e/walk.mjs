// Walks through the console as a person does, against a running Marina:
//
//   node walk.mjs URL DIRECTORY
//
// It prints a line of JSON for each step, {step, error?}, and leaves pictures of every
// page in the directory.
import { readFile, mkdir } from "node:fs/promises";
import path from "node:path";

import { withBrowser } from "./browser.mjs";
import { look } from "./look.mjs";

const [url, dir] = process.argv.slice(2);
await mkdir(dir, { recursive: true });

const person = { email: "ada@example.com", password: "the engine weaves patterns" };

await withBrowser(async (browser) => {
  const page = await browser.newPage();
  page.setDefaultTimeout(15_000);
  const surprises = [];
  page.on("pageerror", (e) => surprises.push(`an error in the page: ${e.message}`));
  page.on("console", (m) => {
    // That a request was refused is what some steps are about.
    if (m.type() === "error" && !m.text().startsWith("Failed to load resource")) surprises.push(m.text());
  });
  page.on("request", (r) => {
    if (!r.url().startsWith(url) && !/^(blob|data):/.test(r.url())) surprises.push(`a request to another host: ${r.url()}`);
  });

  let broken = false;
  const step = async (name, work) => {
    if (broken) return;
    let error;
    try {
      const wrong = [...((await work()) ?? []), ...surprises.splice(0)];
      if (wrong.length > 0) error = wrong.join("\n");
    } catch (e) {
      // What follows stands on this step.
      broken = true;
      error = `${e.message}\nat ${page.url()}`;
      await page.screenshot({ path: path.join(dir, `failed-${name.replaceAll(" ", "-")}.png`) }).catch(() => {});
    }
    console.log(JSON.stringify({ step: name, error }));
  };
  const button = (name) => page.getByRole("button", { name, exact: true });
  const heading = (name) => page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
  const tab = (name) => page.getByRole("tab", { name, exact: true }).click();

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
  await step("an empty list says what a cluster is", async () => {
    await page.getByRole("link", { name: "Clusters" }).click();
    await page.getByText("Create your first cluster").waitFor();
    return look(page, dir, "clusters-empty");
  });
  await step("a bad name is refused at the field", async () => {
    await page.getByRole("link", { name: "Create cluster" }).click();
    await heading("Create a cluster");
    await page.getByLabel("Name").first().fill("Not a name");
    await button("Create cluster").click();
    await page.getByText("Must consist of lower-case letters").waitFor();
    return look(page, dir, "create");
  });
  await step("a cluster comes up before one's eyes", async () => {
    await page.getByLabel("Name").first().fill("shop");
    await page.getByLabel("Nodes").fill("1");
    await button("Create cluster").click();
    await heading("shop");
    const pictures = await look(page, dir, "cluster-creating");
    await page.locator("header .status").filter({ hasText: "Running" }).waitFor({ timeout: 90_000 });
    return pictures;
  });
  await step("its node joins without a reload", async () => {
    await tab("Nodes");
    await page.locator("td .status").filter({ hasText: "Ready" }).waitFor({ timeout: 150_000 });
    return look(page, dir, "nodes");
  });
  await step("the overview is whole", async () => {
    await tab("Overview");
    await page.getByText("1 of 1 node ready").waitFor();
    await page.getByText("API server answers").waitFor();
    return look(page, dir, "cluster");
  });
  await step("a kubeconfig is downloaded", async () => {
    const download = page.waitForEvent("download");
    await button("Kubeconfig").click();
    const text = await readFile(await (await download).path(), "utf8");
    if (!text.includes("kind: Config") || !text.includes("tls-server-name")) return ["the file is no kubeconfig"];
  });
  await step("activity and logs are there", async () => {
    await tab("Activity");
    await page.getByText("The cluster is running").first().waitFor();
    const pictures = await look(page, dir, "activity");
    await tab("Logs");
    await page.locator("pre.log").filter({ hasText: /\S{10}/ }).waitFor();
    return [...pictures, ...(await look(page, dir, "logs"))];
  });
  await step("a pool is added empty, and resized", async () => {
    await tab("Nodes");
    await button("Add a node pool").click();
    const dialog = page.getByRole("dialog", { name: "Add a node pool" });
    await dialog.getByLabel("Name").fill("workers");
    await dialog.getByLabel("Nodes").fill("0");
    await dialog.getByRole("button", { name: "Add pool" }).click();
    await dialog.getByText("a node pool of this name already").waitFor();
    const pictures = await look(page, dir, "pool-add");
    await dialog.getByLabel("Name").fill("spare");
    await dialog.getByRole("button", { name: "Add pool" }).click();
    await page.getByRole("region", { name: "Node pool spare" }).waitFor();
    await page.getByRole("region", { name: "Node pool workers" }).getByRole("button", { name: "Resize" }).click();
    const resize = page.getByRole("dialog", { name: "Resize workers" });
    await resize.getByLabel("Nodes").fill("0");
    const more = await look(page, dir, "pool-resize");
    await resize.getByRole("button", { name: "Resize" }).click();
    await page.getByRole("region", { name: "Node pool workers" }).getByText("The pool is empty.").waitFor({ timeout: 90_000 });
    return [...pictures, ...more];
  });
  await step("a pool is deleted", async () => {
    await page.getByRole("button", { name: "Delete the pool spare" }).click();
    await page.getByRole("dialog", { name: "Delete spare?" }).getByRole("button", { name: "Delete pool" }).click();
    await page.getByRole("region", { name: "Node pool spare" }).waitFor({ state: "detached", timeout: 60_000 });
  });
  await step("a token is shown once, and revoked", async () => {
    await page.getByRole("link", { name: "API tokens" }).click();
    await button("Create token").click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("<img src=x onerror=alert(1)>");
    await dialog.getByRole("button", { name: "Create token" }).click();
    await dialog.getByText("shown once").waitFor();
    const pictures = await look(page, dir, "token-new");
    await dialog.getByRole("button", { name: "Done" }).click();
    pictures.push(...(await look(page, dir, "tokens")));
    await page.getByRole("button", { name: /^Revoke the token/ }).click();
    await page.getByText("No tokens yet").waitFor();
    return pictures;
  });
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
  await step("another cluster's id is not found", async () => {
    await page.goto(`${url}/clusters/kc-01k9xw3e5v8m2q4r6t8y0a1b2c`);
    await heading("Not found");
    surprises.length = 0; // the console tells developers of the refusal
    return look(page, dir, "not-found");
  });
  await step("a cluster is deleted only by its name", async () => {
    await page.getByRole("link", { name: "Clusters", exact: true }).click();
    await page.getByRole("link", { name: "shop" }).waitFor();
    const pictures = await look(page, dir, "clusters");
    await page.getByRole("link", { name: "shop" }).click();
    await tab("Danger");
    if (await button("Delete cluster").isEnabled()) return ["the cluster can be deleted without its name"];
    await page.getByLabel("to confirm").fill("shop");
    pictures.push(...(await look(page, dir, "danger")));
    await button("Delete cluster").click();
    await page.getByText("Create your first cluster").waitFor({ timeout: 90_000 });
    return pictures;
  });
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
});

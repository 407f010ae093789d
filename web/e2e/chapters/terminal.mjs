import { look } from "../look.mjs";

/** What the terminal shows. */
export const screen = (page) => page.locator(".xterm-rows");

/** Types a command line and waits until the terminal shows something. */
export async function run(page, line, answer, timeout = 30_000) {
  await page.keyboard.type(`${line}\n`);
  await screen(page).getByText(answer).first().waitFor({ timeout });
}

/** kubectl in the browser. */
export async function terminal({ page, dir, step, button, tab }) {
  await step("a terminal in the browser has kubectl", async () => {
    await tab("Terminal");
    await page.getByText("Connected", { exact: true }).waitFor();
    await run(page, "kubectl get nodes", /^workers-\S+\s+Ready/);
    return look(page, dir, "terminal");
  });
  await step("a terminal shows colours, and follows its window", async () => {
    await run(page, "printf '\\033[38;2;1;2;3m%s\\033[0m\\n' co''loured", /^coloured/);
    const color = await screen(page).getByText("coloured", { exact: true }).last().evaluate((e) => getComputedStyle(e).color);
    await run(page, "stty size", /^\d+ 1\d\d\s*$/);
    await page.setViewportSize({ width: 390, height: 844 });
    await run(page, "stty size", /^\d+ [34]\d\s*$/);
    await page.setViewportSize({ width: 1280, height: 800 });
    return color === "rgb(1, 2, 3)" ? [] : [`the colour is ${color}`];
  });
  await step("who has no pointer gets out of the terminal", async () => {
    const inside = () => page.evaluate(() => document.activeElement?.closest("section[aria-label^=Terminal]") !== null);
    await page.keyboard.press("Tab"); // the shell's
    const wrong = (await inside()) ? [] : ["tab alone leaves the terminal"];
    await page.keyboard.press("Escape");
    await page.keyboard.press("Shift+Tab");
    if (await inside()) wrong.push("the focus stays in the terminal");
    return wrong;
  });
  await step("a terminal that ended says so, and another one opens", async () => {
    await page.locator("section[aria-label^=Terminal]").click();
    await page.keyboard.press("Control+c");
    await screen(page).getByText("^C").waitFor(); // what is typed before is thrown away
    await page.keyboard.type("exit\n");
    await page.getByRole("alert").filter({ hasText: "The terminal has ended." }).waitFor();
    const pictures = await look(page, dir, "terminal-ended");
    await button("Open another one").click();
    await page.getByText("Connected", { exact: true }).waitFor();
    await run(page, "kubectl auth whoami", "marina:admins");
    return pictures;
  });
}

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/**
 * Takes pictures of the page as it is, on a desktop and on a phone, light and dark,
 * and returns what is wrong with it for who cannot see it, or sees it on a phone.
 */
export async function look(page, dir, name) {
  const wrong = [];
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const [device, width, height] of [["desktop", 1280, 800], ["phone", 390, 844]]) {
      await page.setViewportSize({ width, height });
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      await page.screenshot({ path: path.join(dir, `${name}-${colorScheme}-${device}.png`), fullPage: true });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      if (wide > 0) wrong.push(`${name} is ${wide} pixels wider than a ${device}`);
    }
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    for (const v of violations.filter((x) => x.impact === "serious" || x.impact === "critical")) {
      wrong.push(`${name}, ${colorScheme}: ${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).join(" ").slice(0, 400)}`);
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1280, height: 800 });
  return wrong;
}

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";

import { chromium } from "playwright-core";

// Chromium asks hosts of its maker for things unless it is told not to. Tests run as
// root, for whom its sandbox does not work.
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** Starts a browser with a profile of its own, calls work with it, and takes both away. */
export async function withBrowser(work) {
  const profile = await mkdtemp(path.join(tmpdir(), "marina-browser-"));
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: "/usr/bin/chromium", headless: true, args, viewport: { width: 1280, height: 800 }, acceptDownloads: true,
    reducedMotion: "reduce", // what goes is gone at once, as for people who asked for that
  });
  try {
    await work(browser);
  } finally {
    await browser.close();
    await rm(profile, { recursive: true, force: true });
  }
}

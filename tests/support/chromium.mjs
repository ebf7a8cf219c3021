// Debian's Chromium, driven by Playwright.

import { chromium } from "playwright-core";
import { env } from "node:process";

/** Off: what Chromium would do on the network by itself. Root needs `--no-sandbox`. */
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
];

/**
 * @param {string[]} [more] further arguments
 * @param {string[]} [less] of Playwright's own arguments
 * @returns {Promise<import("playwright-core").Browser>} headless, with a fresh profile
 */
export function launch(more = [], less = []) {
  return chromium.launch({
    executablePath: env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: [...ARGUMENTS, ...more],
    ignoreDefaultArgs: less,
  });
}

/** Like {@link launch}, with the features that Playwright turns off, the partitioning of storage among them. */
export async function launchWithAllFeatures() {
  const browser = await launch();
  const { commandLine } = await (await browser.newBrowserCDPSession()).send("SystemInfo.getInfo");
  await browser.close();
  const off = commandLine.split(" ").filter((argument) => argument.startsWith("--disable-features="));
  return launch([], off);
}

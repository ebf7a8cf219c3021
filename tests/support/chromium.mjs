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
 * @returns {Promise<import("playwright-core").Browser>} headless, with a fresh profile
 */
export function launch(more = []) {
  return chromium.launch({
    executablePath: env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    args: [...ARGUMENTS, ...more],
  });
}

// An app's page with its vault in the frame, driven as a person would drive it.

import { PASSWORD } from "../support/page.mjs";

/** @typedef {import("playwright-core").Page} Page */

/**
 * Creates the vault in the dialog that is open in the page, and puts a key in. By keyboard: a click needs the frame to
 * stand still.
 * @param {Page} page @param {string} provider @param {string} key
 */
export async function fillDialog(page, provider, key) {
  const dialog = page.frameLocator("dialog iframe");
  await dialog.getByTestId("create-password").fill(PASSWORD);
  await dialog.getByTestId("create-password-repeat").fill(PASSWORD);
  await dialog.getByTestId("create-submit").press("Enter");
  await dialog.getByTestId("recovery-code").waitFor();
  await dialog.getByTestId("recovery-confirm").press("Space");
  await dialog.getByTestId("recovery-saved").press("Enter");
  await dialog.getByTestId("key-provider").selectOption(provider);
  await dialog.getByTestId("key-value").fill(key);
  await dialog.getByTestId("key-submit").press("Enter");
  await dialog.getByTestId("key-row").waitFor();
  await dialog.getByTestId("frame-close").press("Enter");
  await page.locator("dialog[open]").waitFor({ state: "detached" });
}

/** Configuration of a relay that keeps its state in this Redis. @param {string} url */
export function stored(url) {
  return `[store]\nurl = "${url}"\n[secrets]\ncurrent = "k1:${Buffer.alloc(32, 7).toString("base64")}"\n`;
}

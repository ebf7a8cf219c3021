// The vault's own forms, wherever they are: in the page, in its frame, in a dialog. All by keyboard: a click needs a
// place that stands still, which a frame does not while its height follows its content.

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("playwright-core").FrameLocator | import("playwright-core").Locator} Forms */

export const PASSWORD = "correct horse battery staple";

/** The vault's dialog. @param {Page} page @param {"frame" | "page"} [mode] @returns {Forms} */
export function dialogOf(page, mode = "frame") {
  return mode === "frame" ? page.frameLocator("dialog iframe") : page.locator("dialog keyferry-settings");
}

/** Creates the vault and puts the recovery code away. Gives the code. @param {Forms} forms */
export async function fillCreate(forms, password = PASSWORD) {
  await forms.getByTestId("create-password").fill(password);
  await forms.getByTestId("create-password-repeat").fill(password);
  await forms.getByTestId("create-submit").press("Enter");
  const code = (await forms.getByTestId("recovery-code").innerText()).trim();
  await forms.getByTestId("recovery-confirm").press("Space");
  await forms.getByTestId("recovery-saved").press("Enter");
  return code;
}

/** Adds a key and waits until it is in the list. @param {Forms} forms @param {string} provider @param {string} key @param {string} [name] */
export async function fillKey(forms, provider, key, name) {
  await forms.getByTestId("key-provider").selectOption(provider);
  await forms.getByTestId("key-value").fill(key);
  if (name) await forms.getByTestId("key-name").fill(name);
  const rows = forms.getByTestId("key-row");
  const before = await rows.count();
  await forms.getByTestId("key-submit").press("Enter");
  await rows.nth(before).waitFor();
}

/** Closes the dialog as a person does. @param {Page} page */
export async function dismiss(page) {
  await page.locator("dialog[open]").press("Escape");
  await page.locator("dialog[open]").waitFor({ state: "detached" });
}

/** In the frame's dialog that is open: creates the vault, adds a key, closes. Gives the recovery code. @param {Page} page @param {string} provider @param {string} key */
export async function fillDialog(page, provider, key) {
  const dialog = dialogOf(page);
  const code = await fillCreate(dialog);
  await fillKey(dialog, provider, key);
  await dialog.getByTestId("frame-close").press("Enter");
  await page.locator("dialog[open]").waitFor({ state: "detached" });
  return code;
}

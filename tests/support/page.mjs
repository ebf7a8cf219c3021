// What a person does on the page, by the names the page gives its controls.

import { PASSWORD, fillCreate, fillKey } from "./forms.mjs";

/** @typedef {import("playwright-core").Page} Page */

export { PASSWORD };

/**
 * Where the vault's own settings are: inside its frame, or in the page itself when that was opened
 * with `?mode=page`. @param {Page} page
 */
export function settings(page) {
  return new URL(page.url()).searchParams.get("mode") === "page"
    ? page.locator("keyferry-settings")
    : page.frameLocator("keyferry-settings iframe");
}

/** The settings' document, for scripts. @param {Page} page */
export async function vaultFrame(page) {
  const handle = await page.locator("keyferry-settings iframe").elementHandle();
  const frame = await handle?.contentFrame();
  if (!frame) throw new Error("the vault's frame is not there");
  return frame;
}

/**
 * Waits until nothing moves any more. The frame tells the page its height by a message, and a click
 * into a frame that moves goes where it was. @param {Page} page
 */
export async function settled(page) {
  await page.evaluate(async () => {
    const place = () => `${document.documentElement.scrollHeight} ${scrollY}`;
    for (let before = ""; before !== place(); ) {
      before = place();
      await new Promise((resolve) => setTimeout(resolve, 120));
    }
  });
}

/** Goes to a screen by the page's navigation. @param {Page} page @param {"settings" | "chat"} screen */
export async function goTo(page, screen) {
  const link = page.getByTestId(`nav-${screen}`);
  await link.scrollIntoViewIfNeeded();
  await settled(page);
  await link.click();
}

/** Creates the vault and puts the recovery code away. Gives the code. @param {Page} page */
export async function createVault(page, password = PASSWORD) {
  const code = await fillCreate(settings(page), password);
  await state(page, "unlocked");
  return code;
}

/** @param {Page} page */
export async function unlock(page, password = PASSWORD) {
  await goTo(page, "settings");
  await settings(page).getByTestId("unlock-password").fill(password);
  await settled(page);
  await settings(page).getByTestId("unlock-submit").press("Enter");
  await state(page, "unlocked");
}

/** Waits until the page says the vault is in this state. @param {Page} page @param {string} name */
export async function state(page, name) {
  await page.locator(`[data-testid="vault-state"][data-state="${name}"]`).waitFor();
  await settled(page);
}

/** @param {Page} page @param {string} provider @param {string} key @param {string} [name] */
export async function addKey(page, provider, key, name) {
  await goTo(page, "settings");
  await fillKey(settings(page), provider, key, name);
}

/** Sends a message and waits for the whole answer. @param {Page} page @param {string} provider */
export async function chat(page, provider, text = "Hello") {
  const answers = page.getByTestId("chat-output");
  const before = await answers.count();
  await startChat(page, provider, text);
  const answer = answers.nth(before);
  await answer.and(page.locator('[data-done="true"]')).waitFor();
  return answer.innerText();
}

/** Sends a message and returns at once. @param {Page} page @param {string} provider */
export async function startChat(page, provider, text = "Hello") {
  await goTo(page, "chat");
  await page.getByTestId("chat-provider").selectOption(provider);
  await page.getByTestId("chat-input").fill(text);
  await page.getByTestId("chat-send").click();
}

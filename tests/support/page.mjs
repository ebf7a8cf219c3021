// What a person does on the page, by the names the page gives its controls.

/** @typedef {import("playwright-core").Page} Page */

export const PASSWORD = "correct horse battery staple";

/** Creates the vault and puts the recovery code away. Gives the code. @param {Page} page */
export async function createVault(page, password = PASSWORD) {
  await page.getByTestId("create-password").fill(password);
  await page.getByTestId("create-password-repeat").fill(password);
  await page.getByTestId("create-submit").click();
  const code = (await page.getByTestId("recovery-code").innerText()).trim();
  await page.getByTestId("recovery-saved").click();
  await state(page, "unlocked");
  return code;
}

/** @param {Page} page */
export async function unlock(page, password = PASSWORD) {
  await page.getByTestId("unlock-password").fill(password);
  await page.getByTestId("unlock-submit").click();
  await state(page, "unlocked");
}

/** Waits until the page says the vault is in this state. @param {Page} page @param {string} name */
export async function state(page, name) {
  await page.locator(`[data-testid="vault-state"][data-state="${name}"]`).waitFor();
}

/** @param {Page} page @param {string} provider @param {string} key @param {string} [name] */
export async function addKey(page, provider, key, name) {
  await page.getByTestId("nav-settings").click();
  await page.getByTestId("key-provider").selectOption(provider);
  await page.getByTestId("key-value").fill(key);
  if (name) await page.getByTestId("key-name").fill(name);
  const rows = page.getByTestId("key-row");
  const before = await rows.count();
  await page.getByTestId("key-submit").click();
  await rows.nth(before).waitFor();
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
  await page.getByTestId("nav-chat").click();
  await page.getByTestId("chat-provider").selectOption(provider);
  await page.getByTestId("chat-input").fill(text);
  await page.getByTestId("chat-send").click();
}

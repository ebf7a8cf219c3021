// Every snippet of docs/migrating.md, as it stands there.

import assert from "node:assert/strict";
import { test } from "node:test";

import { CANARY } from "../support/stack.mjs";
import { dialogOf, dismiss, fillCreate } from "../support/forms.mjs";
import { useDocuments } from "./harness.mjs";
import { readDocument } from "./markdown.mjs";

const guide = await readDocument("docs/migrating.md");
const { profile, show } = useDocuments();

/** What the old app had stored. */
const OLD = { openai_api_key: CANARY.openai, anthropic_api_key: CANARY.anthropic, theme: "dark" };

/** @typedef {import("playwright-core").Page} Page */

/** A profile with the old app's keys, open on a page that runs `source`. @param {string} source */
async function oldUser(source) {
  const context = await profile();
  const first = await show(context, "");
  await first.page.evaluate((old) => Object.assign(localStorage, old), OLD);
  await first.page.close();
  const shown = await show(context, `${source}\nglobalThis.ready = true;`);
  await shown.page.waitForFunction("globalThis.ready");
  return { ...shown, context };
}

const stored = (/** @type {Page} */ page) => page.evaluate(() => ({ ...localStorage }));

test("what changes", async () => {
  const { code } = guide.take("What changes");
  const { page, context } = await oldUser(`${code}
    const button = document.body.appendChild(Object.assign(document.createElement("button"), { textContent: "Ask" }));
    button.onclick = async () => {
      const messages = [{ role: "user", content: "Hello" }];
      await openai.chat.completions.create({ model: "gpt-4o-mini", messages }).catch(({ status }) => console.log(status));
    };`);
  await page.getByRole("button").click();
  await dialogOf(page).getByTestId("create-password").waitFor();
  await context.close();
});

test("in the frame: the person pastes the key, and the old one goes once the vault has it", async () => {
  const { code } = guide.take("The vault in its frame");
  const { page, context, failed } = await oldUser(`${code}\nObject.assign(globalThis, { moveOldKey, vault });`);
  const move = () => page.evaluate(`moveOldKey("openai_api_key", "openai")`);
  const dialog = dialogOf(page);

  // Without a vault nothing goes.
  let moved = move();
  await dialog.getByTestId("create-password").waitFor();
  await dismiss(page);
  await moved;
  assert.deepEqual(await stored(page), OLD);

  // Nor while the key was not pasted.
  moved = move();
  await fillCreate(dialog);
  await page.waitForFunction("vault.state === 'unlocked'");
  await dialog.getByTestId("key-value").waitFor();
  await dismiss(page);
  await moved;
  assert.deepEqual(await stored(page), OLD);

  moved = move();
  await dialog.getByTestId("key-value").focus();
  await page.keyboard.press("Control+V");
  assert.equal(await dialog.getByTestId("key-value").inputValue(), CANARY.openai);
  assert.equal(await dialog.getByTestId("key-provider").inputValue(), "openai");
  await dialog.getByTestId("key-submit").press("Enter");
  await dialog.getByTestId("key-row").waitFor();
  await dismiss(page);
  await moved;
  const { openai_api_key: _, ...rest } = OLD;
  assert.deepEqual(await stored(page), rest);
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "");
  assert.deepEqual(failed, []);
  await context.close();
});

test("in the page: keys are imported, and the old ones go once the vault has them", async () => {
  const { code } = guide.take("The vault in your page");
  const { page, context } = await oldUser(`${code}\nglobalThis.importOldKeys = importOldKeys;`);
  const importing = page.evaluate("importOldKeys()");
  const dialog = dialogOf(page, "page");
  await fillCreate(dialog);
  await importing;
  assert.deepEqual(await stored(page), { theme: "dark" });
  await context.close();
});

test("in the page: a key that the vault refuses stays, a key it has already goes", async () => {
  const { code } = guide.take("The vault in your page");
  const { page, context } = await oldUser(`${code}\nObject.assign(globalThis, { importOldKeys, openVault });`);
  let importing = page.evaluate("importOldKeys()");
  await fillCreate(dialogOf(page, "page"));
  await importing;
  await page.evaluate((openai) => Object.assign(localStorage, { openai_api_key: openai, anthropic_api_key: "   " }), CANARY.openai);
  const refused = await page.evaluate("importOldKeys().catch(({ code }) => code)");
  assert.equal(refused, "bad_key_format");
  assert.deepEqual(await stored(page), { theme: "dark", anthropic_api_key: "   " });
  await context.close();
});

test("no snippet is left out", () => guide.assertAllTaken());

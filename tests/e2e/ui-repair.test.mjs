// What the elements show of a vault that storage has damaged, and of its repair.
/// <reference path="../browser/globals.d.ts" />

import assert from "node:assert/strict";
import { test } from "node:test";

import { MANIFEST, tamper } from "../browser/records.mjs";
import { violations } from "../support/axe.mjs";
import { SCREENSHOTS, useElements } from "../support/elements.mjs";
import { PASSWORD } from "../support/page.mjs";
import { CANARY } from "../support/stack.mjs";

/** @typedef {import("playwright-core").Page} Page */

const elements = useElements(
  (asked, { relay, moved }) => `
import { openVault } from "/keyferry/index.js";
import "/keyferry/elements.js";
const vault = await openVault({ relay: "${asked.get("relay") === "moved" ? moved : relay}", mode: "page", worker: "dedicated" });
if (${!asked.has("dialog")}) document.querySelector("#place").append(Object.assign(document.createElement("keyferry-settings"), { vault }));
Object.assign(globalThis, { vault });
`,
);

/**
 * A stored vault with two keys, damaged by `change` (of `records`; `id` is the Anthropic key's), in a
 * page opened anew. @param {import("node:test").TestContext} t @param {string} query @param {string} change
 * @param {import("playwright-core").BrowserContextOptions} [options]
 */
async function damaged(t, query, change, options = {}) {
  const context = await elements.browser.newContext(options);
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(elements.origin);
  await page.waitForFunction("globalThis.vault");
  const { id, code } = await page.evaluate(
    async ([password, openai, anthropic]) => {
      const { recoveryCode } = await vault.create(String(password));
      await vault.keys.add({ provider: "openai", key: String(openai) });
      const { id } = await vault.keys.add({ provider: "anthropic", key: String(anthropic) });
      vault.close();
      return { id, code: recoveryCode };
    },
    [PASSWORD, CANARY.openai, CANARY.anthropic],
  );
  await tamper(page, `const id = "${id}"; ${change}`);
  await page.goto(`${elements.origin}/?${query}`);
  await page.waitForFunction("globalThis.vault");
  return { page, code };
}

const LIST_GONE = `records.delete("${MANIFEST}");`;
const KEY_CUT = `records.set("6/" + id, records.get("6/" + id).slice(0, -1));`;

test("a damaged vault says what repair does, keeps what opens, and names what does not", async (t) => {
  const { page } = await damaged(t, "", LIST_GONE + KEY_CUT);
  const at = (/** @type {string} */ id) => page.getByTestId(id);
  await at("unlock-password").fill(PASSWORD);
  await at("unlock-password").press("Enter");
  await at("repair-submit").waitFor();
  const title = page.getByRole("heading", { name: "The stored vault is damaged" });
  assert.ok(await title.evaluate((heading) => heading === /** @type {ShadowRoot} */ (heading.getRootNode()).activeElement), "it is read out");
  assert.equal(await at("unlock-password").inputValue(), "", "the password is asked for anew");
  assert.deepEqual(await violations(page), []);
  await page.screenshot({ path: `${SCREENSHOTS}repair.png`, fullPage: true });

  await at("repair-submit").press("Enter");
  await page.getByText("Enter your password.").waitFor();
  await at("unlock-password").fill("not the password");
  await at("repair-submit").press("Enter");
  await page.locator('[data-code="wrong_password"]').waitFor();
  assert.deepEqual(await violations(page), []);
  await at("unlock-password").fill(PASSWORD);
  await at("repair-submit").press("Enter");
  await at("repaired").getByText("Keys you can use: 1.").waitFor();
  assert.equal(await at("repair-lost").innerText(), "Anthropic");
  assert.equal(await at("repair-older").count(), 0);
  assert.deepEqual(await violations(page), []);
  await page.screenshot({ path: `${SCREENSHOTS}repaired.png`, fullPage: true });

  await at("repair-done").press("Enter");
  const rows = at("key-row");
  await rows.first().waitFor();
  assert.equal(await rows.count(), 2);
  assert.equal(await rows.nth(1).getByTestId("key-status").innerText(), "Damaged, cannot be read");
  await rows.first().getByTestId("key-test").press("Enter");
  await page.locator('[data-verdict="valid"]').waitFor();
  await at("section-audit").press("Enter");
  await page.getByRole("cell", { name: "Vault repaired" }).waitFor();
});

test("what cannot be read goes where a person says so, and the recovery code is proof enough", async (t) => {
  const { page, code } = await damaged(t, "lang=ar", LIST_GONE + KEY_CUT, { viewport: { width: 390, height: 844 }, colorScheme: "dark" });
  const at = (/** @type {string} */ id) => page.getByTestId(id);
  await at("unlock-swap").click();
  await at("unlock-recovery-code").fill(code);
  await at("unlock-submit").click();
  await at("repair-submit").waitFor();
  assert.deepEqual(await violations(page), []);
  await page.screenshot({ path: `${SCREENSHOTS}repair-rtl-phone.png`, fullPage: true });
  await at("unlock-recovery-code").fill(code);
  await at("repair-drop").check();
  await at("repair-submit").click();
  await at("repair-lost").waitFor();
  assert.deepEqual(await violations(page), []);
  await page.screenshot({ path: `${SCREENSHOTS}repaired-rtl-phone.png`, fullPage: true });
  await at("repair-done").click();
  await at("key-row").waitFor();
  await at("after-code").waitFor();
  assert.deepEqual(await page.evaluate(() => vault.getSnapshot().damaged), []);
});

test("in a dialog the result is seen before it closes", async (t) => {
  const { page } = await damaged(t, "dialog", LIST_GONE);
  const at = (/** @type {string} */ id) => page.getByTestId(id);
  const closed = page.evaluate(() => vault.ui.open("unlock"));
  for (const submit of ["unlock-submit", "repair-submit"]) {
    await at(submit).waitFor();
    await at("unlock-password").fill(PASSWORD);
    await at(submit).click();
  }
  await at("repaired").getByText("Keys you can use: 2.").waitFor();
  await page.keyboard.press("Escape");
  assert.ok(await at("repair-done").isVisible(), "it is not lost by a stray key");
  await at("repair-done").click();
  await closed;
  assert.equal(await page.evaluate(() => vault.state), "unlocked");
});

test("a damaged key does not keep a vault from moving for good", async (t) => {
  const { page } = await damaged(t, "relay=moved", KEY_CUT);
  const at = (/** @type {string} */ id) => page.getByTestId(id);
  await at("unlock-password").fill(PASSWORD);
  await at("unlock-password").press("Enter");
  const move = async () => {
    await at("rebind-open").click();
    await at("rebind-password").fill(PASSWORD);
    await at("rebind-sure").check();
    await at("rebind-submit").click();
  };
  await move();
  await at("repair-drop").check();
  await at("unlock-password").fill(PASSWORD);
  await at("repair-submit").click();
  assert.equal(await at("repair-lost").innerText(), "Anthropic");
  await at("repair-done").click();
  await at("unlock-password").fill(PASSWORD);
  await at("unlock-submit").click();
  await move();
  await at("recovery-confirm").check();
  await at("recovery-saved").click();
  await at("key-test").press("Enter");
  await page.locator('[data-verdict="valid"]').waitFor();
});

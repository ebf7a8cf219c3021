// Elements an app places itself: the model picker, the lock badge, and what a vault of another relay shows.
/// <reference path="../browser/globals.d.ts" />

import assert from "node:assert/strict";
import { test } from "node:test";

import { violations } from "../support/axe.mjs";
import { SCREENSHOTS, useElements } from "../support/elements.mjs";
import { PASSWORD } from "../support/page.mjs";
import { CANARY } from "../support/stack.mjs";

const elements = useElements(
  (asked, { relay, moved }) => `
import { openVault } from "/keyferry/index.js";
import { messageFor } from "/keyferry/elements.js";
const at = "${asked.get("relay") === "moved" ? moved : relay}";
const vault = await openVault({ relay: at, mode: "page", worker: "dedicated", autoLockMinutes: ${Number(asked.get("minutes") ?? 30)} });
const make = (name) => Object.assign(document.createElement(name), { vault });
const badge = make("keyferry-lock-badge");
badge.unlock = true;
const picker = make("keyferry-model-picker");
picker.value = "openai/gpt-4o-mini";
const chosen = [];
picker.addEventListener("change", () => chosen.push(picker.value));
document.querySelector("#place").append(badge, picker, make("keyferry-settings"));
Object.assign(globalThis, { vault, picker, chosen, messageFor });
`,
);

/** @param {import("node:test").TestContext} t @param {string} query @param {import("playwright-core").BrowserContextOptions} [options] */
async function opened(t, query, options = {}) {
  const context = await elements.browser.newContext(options);
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(`${elements.origin}/?${query}`);
  await page.waitForFunction("globalThis.vault");
  return page;
}

/** @param {import("playwright-core").Page} page @param {string[]} [providers] */
async function create(page, providers = []) {
  await page.evaluate(
    async ([password, keys]) => {
      await vault.create(password);
      for (const [provider, key] of keys) await vault.keys.add({ provider, key });
    },
    /** @type {const} */ ([PASSWORD, providers.map((id) => [id, CANARY[/** @type {keyof typeof CANARY} */ (id)]])]),
  );
}

/** What each provider's models say of who pays. @param {import("playwright-core").Page} page */
function payers(page) {
  return page.getByTestId("model-option").evaluateAll((options) =>
    Object.fromEntries(options.map((option) => [option.dataset["model"]?.split("/")[0], option.querySelector(".payer")?.getAttribute("data-payer")])),
  );
}

test("the picker says for every model who pays and what it costs, by keyboard alone", async (t) => {
  const page = await opened(t, "");
  await create(page, ["openai"]);
  const trigger = page.getByTestId("model-picker");
  await page.getByText("your key · $0.15 in, $0.60 out per million tokens").waitFor();
  assert.deepEqual(await violations(page), []);
  await trigger.focus();
  await page.keyboard.press("Enter");
  const search = page.getByTestId("model-search");
  await page.getByTestId("model-option").first().waitFor();
  assert.deepEqual(await violations(page), []);
  await page.screenshot({ path: `${SCREENSHOTS}picker.png` });
  const paid = await payers(page);
  assert.equal(paid["openai"], "own");
  assert.equal(paid["anthropic"], "none");
  const first = await page.getByTestId("model-option").first().getAttribute("data-model");
  assert.match(first ?? "", /^openai\//, "what can be used comes first");

  await search.fill("gpt-4.1 mini");
  const found = page.getByTestId("model-option");
  assert.deepEqual(await found.evaluateAll((all) => all.every((one) => /gpt-4\.1.*mini/.test(one.textContent ?? ""))), true);
  await page.keyboard.press("Enter");
  assert.deepEqual(await page.evaluate("chosen"), ["openai/gpt-4.1-mini"]);
  assert.equal(await page.evaluate(() => document.activeElement?.localName), "keyferry-model-picker", "the keyboard is back where it was");
  await page.getByText("your key · $0.40 in, $1.60 out per million tokens").waitFor();

  await page.keyboard.press("Enter");
  await search.fill("no such model");
  await page.getByText("No model matches.").waitFor();
  assert.deepEqual(await violations(page), []);
  await page.keyboard.press("Escape");
  await found.first().waitFor({ state: "detached" });
  assert.equal(await page.evaluate("picker.value"), "openai/gpt-4.1-mini", "escaping chooses nothing");

  await page.keyboard.press("Enter");
  await page.getByTestId("model-usable").check();
  assert.deepEqual(Object.keys(await payers(page)), ["openai"]);
});

test("an OpenRouter key pays for all, and a locked vault does not tell", async (t) => {
  const page = await opened(t, "");
  await create(page, ["openrouter"]);
  await page.getByTestId("model-picker").press("Enter");
  await page.getByTestId("model-option").first().waitFor();
  assert.deepEqual([...new Set(Object.values(await payers(page)))], ["openrouter"]);
  await page.keyboard.press("Escape");
  await page.evaluate(() => vault.lock());
  await page.getByText("locked · $0.15 in").waitFor();
});

test("a list that cannot be had is said so, and had again", async (t) => {
  const context = await elements.browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.route("**/v1/models", (route) => route.abort());
  await page.goto(elements.origin);
  await page.getByTestId("model-picker").press("Enter");
  const again = page.getByRole("button", { name: "Try again" });
  await again.waitFor();
  assert.deepEqual(await violations(page), []);
  await page.unroute("**/v1/models");
  await again.press("Enter");
  await page.getByTestId("model-option").first().waitFor();
});

test("the picker fits a phone and a page from right to left", async (t) => {
  const page = await opened(t, "lang=ar", { viewport: { width: 390, height: 844 }, hasTouch: true });
  await create(page, ["openai"]);
  await page.getByTestId("model-picker").press("Enter");
  await page.getByTestId("model-option").first().waitFor();
  const box = await page.locator("keyferry-model-picker [popover]").boundingBox();
  assert.ok(box && box.x >= 0 && box.x + box.width <= 390 && box.y + box.height <= 844, JSON.stringify(box));
  assert.deepEqual(await violations(page), []);
  await page.screenshot({ path: `${SCREENSHOTS}picker-rtl-phone.png` });
});

test("the badge counts down, warns, is put off, and locks", async (t) => {
  // One minute is the least; the warning comes at half of that.
  const page = await opened(t, "minutes=1");
  await create(page);
  const warning = page.getByTestId("lock-warning");
  await warning.getByText("about to lock").waitFor({ timeout: 45_000 });
  assert.match(await page.locator("keyferry-lock-badge .time").innerText(), /^locks in [01]:\d\d$/);
  assert.deepEqual(await violations(page), []);
  await page.screenshot({ path: `${SCREENSHOTS}lock-warning.png` });
  const before = await page.evaluate(() => vault.getSnapshot().lockAt);
  await warning.getByRole("button").press("Enter");
  await page.waitForFunction((lockAt) => Number(vault.getSnapshot().lockAt) > Number(lockAt), before);
  await page.getByTestId("lock-button").press("Enter");
  await page.locator('[data-testid="vault-state"][data-state="locked"]').waitFor();
  await warning.waitFor({ state: "hidden" });
  await page.getByTestId("unlock-button").press("Enter");
  await page.locator('dialog [data-testid="unlock-password"]:focus').waitFor();
});

test("a vault of another relay says what that means, and moves with the password", async (t) => {
  const page = await opened(t, "");
  await create(page, ["openai"]);
  await page.goto(`${elements.origin}/?relay=moved`);
  await page.waitForFunction("globalThis.vault");
  assert.equal(await page.getByTestId("unlock-passkey").count(), 0);
  await page.getByTestId("unlock-password").fill(PASSWORD);
  await page.getByTestId("unlock-password").press("Enter");
  await page.getByTestId("rebind").getByText(new URL(elements.moved).host).waitFor();
  assert.deepEqual(await violations(page), []);
  await page.screenshot({ path: `${SCREENSHOTS}relay-changed.png`, fullPage: true });

  await page.getByTestId("rebind-open").press("Enter");
  await page.getByTestId("rebind-password").fill("not the password");
  await page.getByTestId("rebind-submit").press("Enter");
  await page.getByText("Tick this box if you do").waitFor();
  await page.getByTestId("rebind-sure").check();
  await page.getByTestId("rebind-submit").press("Enter");
  await page.locator('[data-code="wrong_password"]').waitFor();
  assert.deepEqual(await violations(page), []);
  await page.getByTestId("rebind-password").fill(PASSWORD);
  await page.getByTestId("rebind-submit").press("Enter");
  await page.getByTestId("recovery-confirm").check();
  await page.getByTestId("recovery-saved").press("Enter");
  await page.getByTestId("key-test").press("Enter");
  await page.locator('[data-verdict="valid"]').waitFor();

  // The old place is closed now.
  await page.goto(elements.origin);
  await page.waitForFunction("globalThis.vault");
  await page.getByTestId("unlock-password").fill(PASSWORD);
  await page.getByTestId("unlock-password").press("Enter");
  await page.getByTestId("rebind").waitFor();
});

test("messageFor has the words of every code, in the document's language or another", async (t) => {
  const page = await opened(t, "lang=de");
  const words = await page.evaluate(async () => {
    const { ERROR_CODES } = await import(/** @type {any} */ ("/keyferry/index.js"));
    const of = /** @type {any} */ (globalThis).messageFor;
    return { all: ERROR_CODES.every((/** @type {string} */ code) => of(code)?.title && of(code, "ar")?.next), locked: of("locked").title, english: of("locked", "en-GB").title, none: of("toString") };
  });
  assert.deepEqual({ ...words, locked: /Tresor .* gesperrt/.test(words.locked) }, { all: true, locked: true, english: "The vault is locked.", none: null });
});

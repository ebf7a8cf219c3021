// What people do in the vault's frame beyond a first key: each flow once, as they would do it.
/// <reference path="../browser/globals.d.ts" />

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";

import { PASSWORD, addKey, chat, createVault, goTo, settings, settled, state, unlock } from "../support/page.mjs";
import { CANARY, startStack } from "../support/stack.mjs";

/** @typedef {import("playwright-core").Page} Page */

const NEXT = "another good long password";

/** @type {Awaited<ReturnType<typeof startStack>>} */
let stack;

before(async () => {
  stack = await startStack({ standin: { keys: [CANARY.openai, CANARY.anthropic] } });
});
after(() => stack?.stop());

/** @param {import("node:test").TestContext} t */
async function opened(t) {
  const { context, page } = await stack.open();
  t.after(() => context.close());
  const code = await createVault(page);
  return { context, page, code, vault: settings(page) };
}

/** Takes the recovery code that is on screen. @param {Page} page */
async function newCode(page) {
  const vault = settings(page);
  const code = (await vault.getByTestId("recovery-code").innerText()).trim();
  await settled(page);
  await vault.getByTestId("recovery-confirm").press("Space");
  await vault.getByTestId("recovery-saved").press("Enter");
  await vault.getByTestId("key-list").waitFor();
  await settled(page);
  return code;
}

/** @param {Page} page */
async function lock(page) {
  await page.getByTestId("lock-button").click();
  await state(page, "locked");
}

/** @param {Page} page @param {string} code */
async function unlockByCode(page, code) {
  const vault = settings(page);
  await vault.getByTestId("unlock-swap").press("Enter");
  await vault.getByTestId("unlock-recovery-code").fill(code);
  await settled(page);
  await vault.getByTestId("unlock-submit").press("Enter");
}

test("a changed password and a renewed code open the vault, the old ones no longer", async (t) => {
  const { page, code, vault } = await opened(t);
  await addKey(page, "openai", CANARY.openai);
  await vault.getByTestId("section-backup").press("Enter");
  await vault.getByTestId("password-change").press("Enter");
  await vault.getByTestId("password-old").fill(PASSWORD);
  await vault.getByTestId("password-next").fill(NEXT);
  await vault.getByTestId("password-next-repeat").fill(NEXT);
  await vault.getByTestId("password-submit").press("Enter");
  const second = await newCode(page);
  assert.notEqual(second, code);

  await lock(page);
  await unlockByCode(page, code);
  await vault.locator('[data-code="wrong_recovery_code"]').first().waitFor();
  await page.waitForTimeout(1_200); // a wrong one delays the next try
  await vault.getByTestId("unlock-recovery-code").fill(second);
  await vault.getByTestId("unlock-submit").press("Enter");
  await state(page, "unlocked");

  await vault.getByTestId("section-backup").press("Enter");
  await vault.getByTestId("recovery-renew").press("Enter");
  await vault.getByTestId("renew-password").fill(NEXT);
  await vault.getByTestId("renew-submit").press("Enter");
  const third = await newCode(page);
  assert.notEqual(third, second);
  await lock(page);
  await unlock(page, NEXT);
  await vault.getByTestId("key-row").waitFor();
});

test("whoever has forgotten the password chooses a new one with the recovery code", async (t) => {
  const { page, code, vault } = await opened(t);
  await addKey(page, "openai", CANARY.openai);
  await lock(page);
  await unlockByCode(page, code);
  await state(page, "unlocked");
  await vault.getByTestId("after-code").press("Enter");
  const typed = vault.getByTestId("password-code");
  await typed.fill(`${code.slice(0, -1)}U`);
  await vault.getByTestId("password-next").fill(NEXT);
  await vault.getByTestId("password-next-repeat").fill(NEXT);
  await vault.getByTestId("password-submit").press("Enter");
  await vault.locator('[data-code="bad_recovery_code"]').first().waitFor();
  await typed.fill(code);
  await vault.getByTestId("password-submit").press("Enter");
  const second = await newCode(page);
  assert.notEqual(second, code);
  assert.equal(await vault.getByTestId("after-code").count(), 0, "done is done");

  await lock(page);
  await vault.getByTestId("unlock-password").fill(PASSWORD);
  await vault.getByTestId("unlock-submit").press("Enter");
  await vault.locator('[data-code="wrong_password"]').first().waitFor();
  await unlock(page, NEXT);
  await vault.getByTestId("key-row").waitFor();

  // Who came in with the password can still use the code for it.
  await vault.getByTestId("section-backup").press("Enter");
  await vault.getByTestId("password-change").press("Enter");
  await vault.getByTestId("password-old").waitFor();
  await vault.getByTestId("password-swap").press("Enter");
  await typed.fill(code);
  await vault.getByTestId("password-next").fill(PASSWORD);
  await vault.getByTestId("password-next-repeat").fill(PASSWORD);
  await vault.getByTestId("password-submit").press("Enter");
  await vault.locator('[data-code="wrong_recovery_code"]').first().waitFor();
  await typed.fill(second);
  await vault.getByTestId("password-submit").press("Enter");
  await newCode(page);
});

test("a backup moves the keys to another browser, and a wrong password opens nothing", async (t) => {
  const { page, vault } = await opened(t);
  await addKey(page, "openai", CANARY.openai, "Work");
  await vault.getByTestId("section-backup").press("Enter");
  await vault.getByTestId("backup-save").press("Enter");
  await vault.getByTestId("backup-own-password").fill("not this password");
  await vault.getByTestId("backup-password").fill(NEXT);
  await vault.getByTestId("backup-password-repeat").fill(NEXT);
  // What is chosen for the file is no reason to hand out the keys.
  await vault.getByTestId("backup-submit").press("Enter");
  await vault.locator('[data-code="wrong_password"]').first().waitFor();
  await vault.getByTestId("backup-own-password").fill(PASSWORD);
  const [download] = await Promise.all([page.waitForEvent("download"), vault.getByTestId("backup-submit").press("Enter")]);
  const file = await readFile(await download.path());
  assert.ok(!file.includes("openai") && !file.includes("Work"), "the file shows nothing");

  const { page: other, vault: restored } = await opened(t);
  await restored.getByTestId("section-backup").press("Enter");
  await restored.getByTestId("backup-restore").press("Enter");
  await restored.getByTestId("restore-file").setInputFiles({ name: "a.keyferry", mimeType: "application/octet-stream", buffer: file });
  await restored.getByTestId("restore-password").fill("not this password");
  await restored.getByTestId("restore-submit").press("Enter");
  await restored.getByTestId("error-message").first().waitFor();
  assert.equal(await restored.getByTestId("key-row").count(), 0);
  await restored.getByTestId("restore-password").fill(NEXT);
  await restored.getByTestId("restore-submit").press("Enter");
  await restored.getByTestId("key-row").waitFor();
  await goTo(other, "settings");
  await restored.getByTestId("key-test").press("Enter");
  await restored.locator('[data-verdict="valid"]').waitFor();
});

test("many keys come from an .env file; what is none is named", async (t) => {
  const { vault } = await opened(t);
  await vault.getByText("Add many from an .env file").press("Enter");
  await vault
    .getByTestId("env-text")
    .fill(`# my keys\nOPENAI_API_KEY="${CANARY.openai}"\nexport ANTHROPIC_API_KEY=${CANARY.anthropic}\nOPENAI_API_KEY_2=${CANARY.openai}\n`);
  await vault.getByTestId("env-submit").press("Enter");
  await vault.getByTestId("key-row").nth(1).waitFor();
  assert.equal(await vault.getByTestId("key-row").count(), 2);
  assert.equal(await vault.getByTestId("env-text").inputValue(), "");
  await vault.getByText("Line 4:").waitFor();
});

test("a key is renamed, capped, switched off, replaced after a test, and had back after removal", async (t) => {
  const { page, vault } = await opened(t);
  await addKey(page, "openai", "sk-proj-mistyped0123456789abcdefghijklmnop");
  await vault.getByTestId("key-test").press("Enter");
  await vault.locator('[data-verdict="invalid"]').waitFor();
  await vault.getByTestId("key-manage").press("Enter");
  await vault.getByTestId("key-rename").fill("Renamed");
  await vault.getByTestId("key-cap").fill("2.5");
  await vault.getByTestId("key-active").uncheck();
  await vault.getByTestId("key-save").press("Enter");
  await vault.getByRole("heading", { name: "OpenAI: Renamed" }).waitFor();
  await vault.getByText("at most $2.50 a day").waitFor();
  await vault.getByText("Switched off").waitFor();
  const off = await page.evaluate(async () => {
    const specifier = "/keyferry/index.js"; // resolved in the page, not here
    const { openVault } = await import(specifier);
    return (await (await openVault({ relay: location.origin })).fetch("/providers/openai/v1/models")).status;
  });
  assert.equal(off, 401, "a key that is switched off is not used");

  await vault.getByTestId("key-active").check();
  await vault.getByTestId("key-save").press("Enter");
  await vault.getByText("Replace the key").first().press("Enter");
  await vault.getByTestId("key-replace").fill("sk-proj-alsowrong0123456789abcdefghijklmn");
  await vault.getByTestId("key-replace-submit").press("Enter");
  await vault.locator('[data-code="key_rejected"]').waitFor();
  await vault.getByTestId("key-replace").fill(CANARY.openai);
  await vault.getByTestId("key-replace-submit").press("Enter");
  await vault.getByText("The new key is in place.").waitFor();
  await vault.getByTestId("key-test").press("Enter");
  await vault.locator('[data-verdict="valid"]').waitFor();

  await vault.getByTestId("key-remove").press("Enter");
  await vault.getByTestId("key-undo").press("Enter");
  // It is put back into use first.
  await vault.locator('[data-testid="key-remove"][aria-disabled="false"]').press("Enter");
  await vault.getByTestId("key-undo").waitFor();
  await vault.getByTestId("key-row").waitFor({ state: "detached", timeout: 60_000 });
});

test("a passkey opens the vault, until it is removed", async (t) => {
  const { context, page, code, vault } = await opened(t);
  const authenticator = {
    protocol: /** @type {const} */ ("ctap2"),
    ctap2Version: /** @type {const} */ ("ctap2_1"),
    transport: /** @type {const} */ ("internal"),
    hasResidentKey: true,
    hasUserVerification: true,
    isUserVerified: true,
    hasPrf: true,
    automaticPresenceSimulation: true,
  };
  const frame = await (await page.locator("keyferry-settings iframe").elementHandle())?.contentFrame();
  for (const target of [page, frame]) {
    // The frame is in a process of its own, with authenticators of its own.
    const session = target && (await context.newCDPSession(target).catch(() => null));
    await session?.send("WebAuthn.enable", { enableUI: false });
    await session?.send("WebAuthn.addVirtualAuthenticator", { options: authenticator });
  }
  await vault.getByTestId("section-passkeys").press("Enter");
  await vault.getByTestId("passkey-name").fill("Laptop");
  await vault.getByTestId("passkey-password").fill(PASSWORD);
  await vault.getByTestId("passkey-add").press("Enter");
  await vault.getByTestId("passkey-row").waitFor();
  await lock(page);
  await vault.getByTestId("unlock-passkey").press("Enter");
  await state(page, "unlocked");

  await vault.getByTestId("section-passkeys").press("Enter");
  await vault.getByTestId("passkey-row").getByText("Laptop").press("Enter");
  await vault.getByTestId("passkey-remove-password").fill(PASSWORD);
  await vault.getByTestId("passkey-remove").press("Enter");
  assert.notEqual(await newCode(page), code);
  await lock(page);
  await vault.getByTestId("unlock-password").waitFor();
  await settled(page);
  assert.equal(await vault.getByTestId("unlock-passkey").count(), 0, "none is offered where there is none");
});

test("locking is set with the password, the activity can be filtered, and a vault can be deleted", async (t) => {
  const { page, vault } = await opened(t);
  await addKey(page, "openai", CANARY.openai);
  await vault.getByTestId("section-preferences").press("Enter");
  await vault.getByTestId("lock-minutes").fill("5");
  await vault.getByTestId("preferences-password").fill("not the password");
  await vault.getByTestId("preferences-save").press("Enter");
  await vault.locator('[data-code="wrong_password"]').waitFor();
  await page.waitForTimeout(1_200); // a wrong one delays the next try
  await vault.getByTestId("preferences-password").fill(PASSWORD);
  await vault.getByTestId("preferences-save").press("Enter");
  await page.getByText("locks in 5 min").waitFor();

  await vault.getByTestId("section-audit").press("Enter");
  await vault.locator('[data-action="key_added"]').waitFor();
  await vault.getByTestId("audit-filter").fill("created");
  await vault.locator('[data-action="key_added"]').waitFor({ state: "detached" });
  assert.equal(await vault.getByTestId("audit-row").count(), 1);

  await vault.getByTestId("destroy").press("Enter");
  await vault.getByTestId("destroy-word").fill("no");
  await vault.getByTestId("destroy-submit").press("Enter");
  await state(page, "unlocked");
  await vault.getByTestId("destroy-word").fill("delete");
  await vault.getByTestId("destroy-submit").press("Enter");
  await state(page, "empty");
  await vault.getByTestId("create-submit").waitFor();
});

test("a dialog closes on Escape and on its button, and not over a recovery code", async (t) => {
  const { context, page } = await stack.open();
  t.after(() => context.close());
  await page.evaluate(async () => {
    const specifier = "/keyferry/index.js"; // resolved in the page, not here
    globalThis.vault = await (await import(specifier)).openVault({ relay: location.origin });
    void vault.ui.open("unlock");
  });
  const dialog = page.frameLocator("dialog iframe");
  await dialog.getByTestId("create-password").fill(PASSWORD);
  await dialog.getByTestId("create-password-repeat").fill(PASSWORD);
  await dialog.getByTestId("create-password-repeat").press("Enter");
  await dialog.getByTestId("recovery-code").waitFor();
  await page.evaluate(() => void vault.ui.open("unlock").then(() => Object.assign(globalThis, { dialogDone: true })));
  await dialog.getByTestId("recovery-confirm").press("Escape");
  await dialog.getByTestId("frame-close").press("Enter");
  assert.ok((await dialog.getByTestId("recovery-code").innerText()).length > 20, "the code is still there");
  await dialog.getByTestId("recovery-confirm").press("Space");
  await dialog.getByTestId("recovery-saved").press("Enter");
  await page.waitForFunction(() => Reflect.get(globalThis, "dialogDone"));
  await page.locator("dialog[open]").waitFor({ state: "detached" });

  await page.evaluate(() => void vault.ui.open("keys", { provider: "anthropic" }));
  assert.equal(await dialog.getByTestId("key-provider").inputValue(), "anthropic");
  await dialog.getByTestId("key-value").press("Escape");
  await page.locator("dialog[open]").waitFor({ state: "detached" });
});

test("without shared workers the frames of a page share one vault all the same", async (t) => {
  const context = await stack.browser.newContext();
  t.after(() => context.close());
  await context.addInitScript(() => Reflect.deleteProperty(globalThis, "SharedWorker"));
  const page = await context.newPage();
  await page.goto(stack.relay.origin);
  await createVault(page);
  await addKey(page, "openai", CANARY.openai);
  assert.ok((await chat(page, "openai")).length > 20);
  await lock(page);
  await unlock(page);
  assert.ok((await chat(page, "openai")).length > 20);
});

test("the element opens the vault of its attributes by itself", async (t) => {
  const { context, page } = await stack.open();
  t.after(() => context.close());
  await page.evaluate(() => {
    const settings = document.createElement("keyferry-settings");
    settings.setAttribute("relay", location.origin);
    settings.setAttribute("name", "second");
    settings.id = "second";
    document.body.append(settings);
  });
  await page.frameLocator("#second iframe").getByTestId("create-submit").waitFor();
});

test("the same page with the vault on its own origin", async (t) => {
  const context = await stack.browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(`${stack.relay.origin}/?mode=page`);
  await createVault(page);
  assert.equal(page.frames().length, 1, "there is no frame");
  await addKey(page, "openai", CANARY.openai);
  assert.ok((await chat(page, "openai")).length > 20);
  await lock(page);
  await page.getByTestId("unlock-button").click();
  const dialog = page.locator("dialog[open]");
  await dialog.getByTestId("unlock-password").fill(PASSWORD);
  await dialog.getByTestId("unlock-submit").press("Enter");
  await state(page, "unlocked");
  await dialog.waitFor({ state: "detached" });
});

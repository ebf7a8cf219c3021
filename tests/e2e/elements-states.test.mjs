// Every state of the vault's user interface, walked through as a person does: checked by axe each time and
// photographed into target/screenshots, in light and dark, on a phone, at 200 % zoom, from right to left.
/// <reference path="../browser/globals.d.ts" />

import assert from "node:assert/strict";
import { test } from "node:test";

import { violations } from "../support/axe.mjs";
import { SCREENSHOTS, useElements } from "../support/elements.mjs";
import { PASSWORD, settled } from "../support/page.mjs";
import { CANARY } from "../support/stack.mjs";

/** @type {{name: string, lang: string, mode: "frame" | "page", context: import("playwright-core").BrowserContextOptions}[]} */
const LOOKS = [
  { name: "light", lang: "en", mode: "frame", context: { colorScheme: "light" } },
  { name: "dark", lang: "de", mode: "frame", context: { colorScheme: "dark", reducedMotion: "reduce" } },
  { name: "phone", lang: "en", mode: "frame", context: { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true } },
  { name: "zoom", lang: "en", mode: "page", context: { viewport: { width: 640, height: 360 }, deviceScaleFactor: 2, colorScheme: "dark" } },
  { name: "rtl", lang: "ar", mode: "frame", context: { colorScheme: "light" } },
];

const elements = useElements(
  (asked, { relay }) => `
import { openVault } from "/keyferry/index.js";
import "/keyferry/elements.js";
const vault = await openVault({ relay: "${relay}", mode: "${asked.get("mode")}" });
globalThis.vault = vault;
const settings = document.createElement("keyferry-settings");
settings.vault = vault;
const picker = document.createElement("keyferry-model-picker");
Object.assign(picker, { vault, relay: "${relay}", value: "openai/gpt-4o-mini" });
const badge = document.createElement("keyferry-lock-badge");
badge.vault = vault;
document.querySelector("#place").append(badge, picker, settings);
`,
);

for (const { name, lang, mode, context: options } of LOOKS) {
  test(`every state, ${name}: no violation of axe, nothing wider than the page`, async (t) => {
    const context = await elements.browser.newContext({ ...options, acceptDownloads: true });
    t.after(() => context.close());
    const page = await context.newPage();
    /** @type {string[]} */
    const wrong = [];
    page.on("pageerror", ({ message }) => wrong.push(`page error: ${message}`));
    page.on("console", (message) => {
      if (message.type() === "error") wrong.push(`console: ${message.text()}`);
    });
    await page.goto(`${elements.origin}/?lang=${lang}&mode=${mode}`);
    const ui = mode === "frame" ? page.frameLocator("keyferry-settings iframe") : page.locator("keyferry-settings");
    const at = (/** @type {string} */ id) => ui.getByTestId(id);
    let shots = 0;
    const state = async (/** @type {string} */ what) => {
      shots += 1;
      // The frame's height follows its content by a message.
      await page.waitForTimeout(150);
      // Only what is in the viewport of a frame of another process is drawn: all of it must be.
      const size = page.viewportSize() ?? { width: 1280, height: 720 };
      const height = await page.evaluate(() => document.documentElement.scrollHeight);
      await page.setViewportSize({ ...size, height });
      await page.waitForTimeout(100);
      await page.screenshot({ path: `${SCREENSHOTS}${name}-${String(shots).padStart(2, "0")}-${what}.png` });
      await page.setViewportSize(size);
      await settled(page);
      for (const found of await violations(page)) wrong.push(`${what}: ${found}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wide > 0) wrong.push(`${what}: ${wide} px wider than the page`);
    };

    await at("create-submit").waitFor();
    await state("create");
    await at("create-password").fill("short");
    await at("create-password-repeat").fill("short");
    await at("create-submit").click();
    await at("error-message").first().waitFor();
    await state("create-weak");
    await at("create-password").fill(PASSWORD);
    await at("create-password-repeat").fill(PASSWORD);
    await settled(page);
    await at("create-submit").click();
    await at("recovery-code").waitFor();
    await state("recovery");
    await at("recovery-saved").click();
    await state("recovery-unconfirmed");
    await at("recovery-confirm").check();
    await at("recovery-saved").click();
    await at("key-list").waitFor();
    await state("keys-empty");

    await at("key-submit").click();
    await state("key-blank");
    await at("key-provider").selectOption("openai");
    await at("key-value").fill(CANARY.openai);
    await at("key-submit").click();
    await at("key-row").first().waitFor();
    await page.evaluate(async (relay) => {
      await vault.fetch(`${relay}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "gpt-4o-mini", messages: [{ role: "user", content: "Hi" }] }),
      }).then((response) => response.text());
    }, elements.relay);
    await at("key-test").click();
    await at("key-verdict").and(ui.locator("[data-verdict]")).waitFor();
    await state("key-tested");
    await at("key-manage").click();
    await at("key-cap").fill("5");
    await at("key-save").click();
    await at("key-reveal").click();
    await at("reveal-password").fill("wrong password here");
    await at("reveal-submit").click();
    await at("error-message").first().waitFor();
    await state("key-manage-wrong-password");
    await page.waitForTimeout(1_200); // a wrong password delays the next try
    await at("reveal-password").fill(PASSWORD);
    await at("reveal-submit").click();
    assert.equal(await at("key-revealed").innerText(), CANARY.openai);
    await state("key-revealed");
    await at("key-conceal").click();
    await at("key-manage").click();

    for (const section of ["usage", "passkeys", "backup", "audit", "preferences"]) {
      await at(`section-${section}`).click();
      await page.waitForTimeout(300);
      await state(section);
      if (section === "backup") {
        await at("backup-save").click();
        await at("password-change").click();
        await state("backup-open");
      }
      await at(`section-${section}`).click();
    }

    await at("key-remove").click();
    await at("key-undo").waitFor();
    await state("key-removed");
    await at("key-undo").click();
    await at("key-test").waitFor();

    await page.evaluate(() => vault.lock());
    await at("unlock-password").waitFor();
    await state("locked");
    await at("unlock-password").fill("not the password");
    await at("unlock-submit").click();
    await at("error-message").first().waitFor();
    await state("locked-wrong-password");
    await at("unlock-swap").click();
    await state("unlock-by-code");
    assert.deepEqual(wrong, []);
  });
}

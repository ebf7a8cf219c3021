// The page: a recording becomes text and then an analysis, and all of it in three languages.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { silence } from "../support/audio.mjs";
import { violations } from "../support/axe.mjs";
import { listen } from "../support/listen.mjs";
import { PASSWORD, addKey, createVault, settings, settled, state } from "../support/page.mjs";
import { startRelay } from "../support/relay.mjs";
import { CANARY, leaked, startStack } from "../support/stack.mjs";

const FOLDER = fileURLToPath(new URL("../../target/screenshots/", import.meta.url));

/** @type {Awaited<ReturnType<typeof startStack>>} */
let stack;

before(async () => {
  await mkdir(FOLDER, { recursive: true });
  stack = await startStack();
});
after(() => stack?.stop());

/** @param {import("node:test").TestContext} t @param {string} path @param {import("playwright-core").BrowserContextOptions} [options] */
async function opened(t, path, options = {}) {
  const context = await stack.browser.newContext(options);
  t.after(() => context.close());
  const page = await context.newPage();
  /** @type {string[]} */
  const complaints = [];
  page.on("pageerror", ({ message }) => complaints.push(message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  await page.goto(new URL(path, stack.relay.origin).href);
  return { page, complaints };
}

/** @param {import("playwright-core").Page} page */
async function goToAudio(page) {
  await settled(page);
  await page.getByTestId("nav-audio").press("Enter");
  await page.getByTestId("audio-start").waitFor();
}

const RECORDING = { name: "meeting.wav", mimeType: "audio/wav", buffer: silence(1) };

for (const [name, options] of /** @type {[string, import("playwright-core").BrowserContextOptions][]} */ ([
  ["light", {}],
  ["phone", { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true, colorScheme: "dark" }],
])) {
  test(`a recording is written down and analysed, paid with the person's key (${name})`, async (t) => {
    const { page, complaints } = await opened(t, "/?lang=en", options);
    await createVault(page);
    await goToAudio(page);
    await page.getByText("This needs a key of OpenAI or Groq").waitFor();
    assert.deepEqual(await violations(page), []);
    await addKey(page, "openai", CANARY.openai);
    await goToAudio(page);

    await page.getByTestId("audio-start").press("Enter");
    await page.locator('[data-testid="error-message"][data-code="empty"]').waitFor();
    assert.deepEqual(await violations(page), []);

    await page.getByTestId("audio-file").setInputFiles(RECORDING);
    await page.getByTestId("audio-task").fill("Summarise it.");
    await page.getByTestId("audio-start").press("Enter");
    await page.getByTestId("audio-transcript").waitFor();
    assert.equal(await page.getByTestId("audio-transcript").innerText(), "A short recording, transcribed by the stand-in provider.");
    assert.match(await page.getByTestId("audio-analysis").innerText(), /stand-in provider on your own machine/);
    assert.match(await page.getByTestId("audio-payer").innerText(), /Paid with your OpenAI key · [\d,]+ tokens/);
    assert.equal(await page.getByTestId("audio-phase").innerText(), "The job is done.");
    assert.deepEqual(await violations(page), []);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `${wide} px wider than the page`);
    await page.screenshot({ path: `${FOLDER}page-${name}-audio.png`, fullPage: true });

    // The provider heard of both steps, with the person's key.
    const asked = stack.standin.getRequests().filter(({ path }) => /audio\/transcriptions|chat\/completions/.test(path));
    assert.ok(asked.length >= 2);
    assert.equal(leaked(stack.relay.logs(), CANARY.openai), undefined);
    assert.deepEqual(complaints, []);
  });
}

test("a job is cancelled, a wrong file is refused in words, and a locked vault is opened on the way", async (t) => {
  // A provider that listens and never answers.
  const silent = createServer(() => undefined);
  const slow = await startRelay({ provider: `http://127.0.0.1:${await listen(silent)}` });
  t.after(async () => {
    silent.closeAllConnections();
    silent.close();
    await slow.stop();
  });
  const { page } = await opened(t, `${slow.origin}/?lang=en`);
  await createVault(page);
  await addKey(page, "openai", CANARY.openai);
  await goToAudio(page);
  await page.getByTestId("audio-file").setInputFiles({ name: "notes.wav", mimeType: "audio/wav", buffer: Buffer.from("not a recording at all") });
  await page.getByTestId("audio-start").press("Enter");
  await page.locator('[data-testid="error-message"][data-code="unsupported_audio"]').waitFor();

  await page.getByTestId("audio-file").evaluate((input) => {
    const long = new DataTransfer();
    long.items.add(new File([new Uint8Array(25_000_001)], "long.wav", { type: "audio/wav" }));
    Object.assign(input, { files: long.files });
  });
  await page.getByTestId("audio-start").press("Enter");
  await page.locator('[data-testid="error-message"][data-code="body_too_large"]').waitFor();

  await page.getByTestId("audio-file").setInputFiles(RECORDING);
  await page.getByTestId("audio-start").press("Enter");
  await page.getByText(/^(Listening|Handing)/).waitFor();
  assert.deepEqual(await violations(page), []);
  await page.screenshot({ path: `${FOLDER}page-audio-running.png` });
  await page.getByTestId("audio-cancel").press("Enter");
  await page.getByText("You cancelled this job.").waitFor();

  await page.getByTestId("lock-button").press("Enter");
  await state(page, "locked");
  await page.getByTestId("audio-start").press("Enter");
  await page.locator('[data-testid="error-message"][data-code="locked"]').waitFor();
  await page.locator('[data-action="unlock"]').press("Enter");
  const dialog = page.frameLocator("dialog iframe");
  await dialog.getByTestId("unlock-password").fill(PASSWORD);
  await dialog.getByTestId("unlock-password").press("Enter");
  await state(page, "unlocked");
});

for (const { lang, dir, keys, said } of [
  { lang: "de", dir: "ltr", keys: "Schlüssel", said: /Tresor .* gesperrt/ },
  { lang: "ar", dir: "rtl", keys: "المفاتيح", said: /الخزنة مقفلة/ },
]) {
  test(`the page and the vault in it speak ${lang}`, async (t) => {
    const { page, complaints } = await opened(t, "/", { locale: lang });
    assert.equal(await page.getAttribute("html", "lang"), lang);
    assert.equal(await page.getAttribute("html", "dir"), dir);
    await page.getByTestId("nav-settings").getByText(keys).waitFor();
    await createVault(page);
    await addKey(page, "openai", CANARY.openai);
    assert.equal(await settings(page).locator("html").getAttribute("dir"), dir);
    const styleOf = (/** @type {string} */ place, /** @type {"direction" | "paddingBottom"} */ name) => page.locator(place).evaluate((element, name) => getComputedStyle(element)[name], name);
    assert.notEqual(await styleOf("main", "paddingBottom"), "0px", "space below the last control");
    assert.equal(await styleOf(".composer textarea", "direction"), dir, "the placeholder's direction");
    assert.deepEqual(await violations(page), []);
    await page.getByTestId("nav-chat").press("Enter");
    // The page goes to its input field by itself: not while the picker is being used.
    await page.locator('[data-testid="chat-input"]:focus').waitFor();
    await page.locator(".picker").getByTestId("model-picker").press("Enter");
    await page.getByTestId("model-option").first().waitFor();
    assert.deepEqual(await violations(page), []);
    await page.screenshot({ path: `${FOLDER}page-${lang}-picker.png` });
    await page.keyboard.press("Escape");
    await page.getByTestId("lock-button").press("Enter");
    await state(page, "locked");
    await page.getByTestId("chat-input").fill("?");
    await page.getByTestId("chat-send").press("Enter");
    assert.match(await page.getByTestId("error-message").first().innerText(), said);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(wide <= 0, `${wide} px wider than the page`);
    assert.deepEqual(complaints, []);
  });
}

test("a language that is chosen stays chosen", async (t) => {
  const { page } = await opened(t, "/", { locale: "de" });
  await page.getByTestId("page-language").selectOption("en");
  await page.getByTestId("nav-settings").getByText("Keys").waitFor();
  await page.goto(stack.relay.origin);
  await page.getByTestId("nav-settings").getByText("Keys").waitFor();
  assert.equal(await page.getAttribute("html", "lang"), "en");
});

// Connect OpenRouter: a key by signing in there, without copy and paste, whichever way the code comes back.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { startApp } from "../support/app.mjs";
import { violations } from "../support/axe.mjs";
import { fillCreate } from "../support/forms.mjs";
import { createVault, settings, settled } from "../support/page.mjs";
import { startRelay } from "../support/relay.mjs";
import { startStack } from "../support/stack.mjs";

const FOLDER = fileURLToPath(new URL("../../target/screenshots/", import.meta.url));

/** An app that isolates itself: windows it opens know nothing of it. */
const page = (/** @type {string} */ relay) => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>app</title></head>
<body><main><h1>App</h1><keyferry-settings relay="${relay}"></keyferry-settings></main>
<script type="module" src="/keyferry/elements.js"></script></body></html>`;

/** @type {import("../support/app.mjs").App} */
let app;
/** @type {Awaited<ReturnType<typeof startStack>>} */
let stack;

before(async () => {
  await mkdir(FOLDER, { recursive: true });
  app = await startApp({
    "/isolated": (_, response) =>
      void response.writeHead(200, { "content-type": "text/html", "cross-origin-opener-policy": "same-origin" }).end(page(stack.relay.origin)),
    "/plain": (_, response) => void response.writeHead(200, { "content-type": "text/html" }).end(page(stack.relay.origin)),
    "/hostile": `<!doctype html><html lang="en"><title>hostile</title><h1>Hostile</h1></html>`,
  });
  const origins = [app.origin, app.origin.replace("localhost", "127.0.0.1")];
  stack = await startStack({ relay: { embedders: origins, server: `allowed_origins = [${origins.map((origin) => `"${origin}"`).join(", ")}]` } });
});
after(async () => {
  await stack?.stop();
  await app?.stop();
});

/** @param {import("node:test").TestContext} t @param {string} url */
async function opened(t, url) {
  const context = await stack.browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(url);
  return { context, page, vault: settings(page) };
}

/** Opens the sign-in in its window. @param {import("playwright-core").Page} page */
async function start(page) {
  const vault = settings(page);
  await vault.getByTestId("key-provider").selectOption("openrouter");
  const [popup] = await Promise.all([page.context().waitForEvent("page"), vault.getByTestId("connect-openrouter").press("Enter")]);
  await vault.getByTestId("connect-waiting").waitFor();
  return popup;
}

/** As the app's page has no lock badge to ask. @param {import("playwright-core").Page} page */
async function create(page) {
  await fillCreate(settings(page));
  await settings(page).getByTestId("key-list").waitFor();
}

for (const mode of ["frame", "page"]) {
  test(`agreeing puts a key that works into the vault, and its window closes (${mode} mode)`, async (t) => {
    // The page of a relay of its own is embedded by itself.
    const own = await startRelay({ provider: stack.standin.url });
    t.after(() => own.stop());
    const { page, vault } = await opened(t, `${own.origin}/?mode=${mode}`);
    await createVault(page);
    const popup = await start(page);
    assert.deepEqual(await violations(page), []);
    await settled(page);
    await page.screenshot({ path: `${FOLDER}connect-waiting-${mode}.png` });
    await Promise.all([popup.waitForEvent("close"), popup.getByTestId("authorize").click()]);
    await vault.getByTestId("key-row").getByText(/^sk-o…/).waitFor();
    await vault.getByTestId("key-test").press("Enter");
    await vault.locator('[data-verdict="valid"]').waitFor();
    // Nothing of one sign-in serves another.
    const again = await start(page);
    await Promise.all([again.waitForEvent("close"), again.getByTestId("authorize").click()]);
    await vault.getByTestId("key-row").nth(1).waitFor();
  });
}

test("saying no is told, and another try is possible", async (t) => {
  const own = await startRelay({ provider: stack.standin.url });
  t.after(() => own.stop());
  const { page, vault } = await opened(t, own.origin);
  await createVault(page);
  const popup = await start(page);
  await popup.getByTestId("refuse").click();
  await vault.locator('[data-code="connect_cancelled"]').waitFor();
  assert.deepEqual(await violations(page), []);
  await vault.getByTestId("connect-openrouter").waitFor();
  assert.equal(await vault.getByTestId("key-row").count(), 0);
});

test("cut off from its window by an app that isolates itself, it hears of the code by the channel", async (t) => {
  const { page, vault } = await opened(t, `${app.origin}/isolated`);
  await create(page);
  const popup = await start(page);
  await Promise.all([popup.waitForEvent("close"), popup.getByTestId("authorize").click()]);
  await vault.getByTestId("key-row").waitFor();
});

test("cut off from that too, as between two sites, it takes the code by hand", async (t) => {
  const { context, page, vault } = await opened(t, `${app.origin}/isolated`);
  // Browsers keep the channels of one origin apart below different sites.
  await context.addInitScript(() => {
    Object.assign(globalThis, {
      BroadcastChannel: class extends EventTarget {
        postMessage() {}
        close() {}
      },
    });
  });
  await create(page);
  const popup = await start(page);
  await popup.getByTestId("authorize").click();
  const code = popup.getByTestId("connect-callback-code");
  await code.waitFor();
  assert.equal(new URL(popup.url()).search, "", "the code does not stay in the address");
  assert.ok(!popup.isClosed());

  await vault.getByTestId("connect-code-submit").press("Enter");
  await vault.locator('[data-code="empty"]').waitFor();
  await vault.getByTestId("connect-code").fill("0123456789abcdef0123456789abcdef");
  await vault.getByTestId("connect-code-submit").press("Enter");
  await vault.locator('[data-code="sign_in_refused"]').waitFor();

  // A new sign-in has a new challenge: the old code is worth nothing to it.
  const second = await start(page);
  await second.getByTestId("authorize").click();
  await second.getByTestId("connect-callback-code").waitFor();
  await vault.getByTestId("connect-code").fill(await second.getByTestId("connect-callback-code").inputValue());
  await vault.getByTestId("connect-code-submit").press("Enter");
  await vault.getByTestId("key-row").waitFor();
});

test("a browser that refuses the frame storage is told of, not waited for", async (t) => {
  // Another site than the vault's, in a private window of Chromium, which blocks third-party storage.
  const { page } = await opened(t, `${app.origin.replace("localhost", "127.0.0.1")}/plain`);
  await page.locator('[data-code="storage_failed"]').waitFor();
  assert.deepEqual(await violations(page), []);
});

test("a foreign page gets no code, and cannot put one in", async (t) => {
  const { context, page: hostile } = await opened(t, `${app.origin}/hostile`);
  // Its own challenge, the vault's callback: with the code it could mint a key for itself.
  const authorize = `${stack.standin.url}/auth?code_challenge=${"A".repeat(43)}&code_challenge_method=S256&callback_url=${encodeURIComponent(`${stack.relay.vault}/connect/openrouter?state=mine`)}`;
  const [popup] = await Promise.all([
    context.waitForEvent("page"),
    hostile.evaluate((url) => {
      /** @type {unknown[]} */
      const heard = [];
      Object.assign(globalThis, { heard });
      addEventListener("message", ({ data }) => heard.push(data));
      open(url);
    }, authorize),
  ]);
  await popup.getByTestId("authorize").click();
  await popup.getByTestId("connect-callback-code").waitFor();
  assert.deepEqual(await hostile.evaluate("heard"), []);

  const { page } = await opened(t, `${app.origin}/isolated`);
  await create(page);
  await start(page);
  await page.evaluate(() => {
    const settings = document.querySelector("keyferry-settings");
    const frame = /** @type {HTMLIFrameElement | null | undefined} */ (settings?.shadowRoot?.querySelector("iframe"));
    frame?.contentWindow?.postMessage({ type: "keyferry:connect", provider: "openrouter", code: "theirs", state: "" }, "*");
  });
  await page.waitForTimeout(300);
  assert.equal(await settings(page).getByTestId("connect-waiting").count(), 1, "it goes on waiting");
});

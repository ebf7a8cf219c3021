// What a person sees when the provider is away, dies half-way, or is given too much.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { launch } from "../support/chromium.mjs";
import { listen } from "../support/listen.mjs";
import { addKey, createVault, settings, startChat } from "../support/page.mjs";
import { freePort, startRelay } from "../support/relay.mjs";
import { CANARY } from "../support/stack.mjs";

/** @type {import("node:http").Server} */
let provider;
/** @type {import("../support/relay.mjs").Relay} */
let relay;
/** @type {import("playwright-core").Browser} */
let browser;
/** How the provider behaves now: (request, response). @type {import("node:http").RequestListener} */
let behaviour = (_, response) => response.end();
/** Called when a connection to the provider is closed from the other side. */
let closed = () => {};

before(async () => {
  provider = createServer((request, response) => {
    response.on("close", () => response.writableFinished || closed());
    behaviour(request, response);
  });
  relay = await startRelay({ provider: `http://127.0.0.1:${await listen(provider)}`, server: "max_body_bytes = 65536" });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await relay?.stop();
  provider?.closeAllConnections();
  provider?.close();
});

const event = (/** @type {string} */ text) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: text } }] })}\n\n`;

async function opened() {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(relay.origin);
  await createVault(page);
  await addKey(page, "openai", CANARY.openai);
  return { context, page };
}

test("a provider that dies mid-stream leaves what arrived, and an error", async () => {
  const { context, page } = await opened();
  behaviour = (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(event("Half of an answer"));
    setTimeout(() => response.destroy(), 200);
  };
  await startChat(page, "openai");
  await page.getByTestId("error-message").first().waitFor();
  assert.match(await page.getByTestId("chat-output").last().innerText(), /Half of an answer/);
  await context.close();
});

test("a provider that is down is named, and the key stays", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const nowhere = await startRelay({ provider: `http://127.0.0.1:${await freePort()}` });
  await page.goto(nowhere.origin);
  await createVault(page);
  await addKey(page, "openai", CANARY.openai);
  await startChat(page, "openai");
  await page.locator('[data-testid="error-message"][data-code="provider_unreachable"]').first().waitFor();
  await page.getByTestId("nav-settings").click();
  await settings(page).getByTestId("key-row").first().waitFor();
  await context.close();
  await nowhere.stop();
});

test("a body over the limit is refused before it reaches the provider", async () => {
  const { context, page } = await opened();
  let reached = false;
  behaviour = (_, response) => {
    reached = true;
    response.end("{}");
  };
  await startChat(page, "openai", "x".repeat(100_000));
  await page.locator('[data-testid="error-message"][data-code="body_too_large"]').first().waitFor();
  assert.equal(reached, false);
  await context.close();
});

test("closing the tab cancels the provider's work within a second", async () => {
  const { context, page } = await opened();
  /** @type {Promise<number>} */
  const cancelled = new Promise((resolve) => (closed = () => resolve(Date.now())));
  behaviour = (_, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const timer = setInterval(() => response.write(event("more ")), 50);
    response.on("close", () => clearInterval(timer));
  };
  await startChat(page, "openai");
  await page.waitForFunction(() =>
    (document.querySelector('[data-testid="chat-output"][data-done="false"]')?.textContent ?? "").length > 10,
  );
  const at = Date.now();
  await context.close();
  assert.ok((await cancelled) - at < 1_000);
});

// The page an OpenRouter sign-in comes back to: its code goes to windows of its own origin, and nowhere else.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startApp } from "../support/app.mjs";
import { launch } from "../support/chromium.mjs";
import { startRelay } from "../support/relay.mjs";

/** @typedef {import("playwright-core").Page} Page */

const CODE = "auth_code_0123456789abcdef";
const STATE = "a-state-of-128-random-bits";
const CALLBACK = `/connect/openrouter?state=${STATE}&code=${CODE}`;
const MESSAGE = { type: "keyferry:connect", provider: "openrouter", code: CODE, state: STATE };

/** @type {import("../support/relay.mjs").Relay} */
let relay;
/** @type {import("../support/app.mjs").App} */
let evil;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  evil = await startApp();
  relay = await startRelay({ provider: "http://127.0.0.1:9", embedders: [evil.origin] });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await relay?.stop();
  await evil?.stop();
});

/** A page that notes every message and every word on the channel. @param {import("node:test").TestContext} t @param {string} url */
async function listener(t, url) {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(url);
  await page.evaluate(() => {
    /** @type {unknown[]} */
    const heard = [];
    addEventListener("message", ({ data, origin }) => void heard.push({ by: "message", origin, data }));
    new BroadcastChannel("keyferry:connect").onmessage = ({ data, origin }) => void heard.push({ by: "channel", origin, data });
    Object.assign(globalThis, { heard });
  });
  return { page, heard: () => /** @type {Promise<{ by: string, origin: string, data: unknown }[]>} */ (page.evaluate("heard")) };
}

/** Opens the callback page as a popup of `page`. @param {Page} page @param {string} url @param {string} [features] */
async function popup(page, url, features = "popup") {
  const opening = page.context().waitForEvent("page");
  await page.evaluate(([url, features]) => void window.open(String(url), "_blank", features), [url, features]);
  const opened = await opening;
  /** @type {string[]} */
  const complaints = [];
  opened.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  await opened.waitForLoadState();
  return { opened, complaints };
}

test("the window that opened it hears the code, on both origins, and its word closes it", async (t) => {
  for (const origin of [relay.origin, relay.vault]) {
    const { page, heard } = await listener(t, `${origin}/connect/openrouter`);
    const { opened, complaints } = await popup(page, origin + CALLBACK);
    await page.waitForFunction(() => Reflect.get(globalThis, "heard").some((/** @type {any} */ { by, data }) => by === "message" && data.code !== ""));
    const got = (await heard()).filter(({ data }) => Reflect.get(Object(data), "code") !== "");
    assert.deepEqual(got.find(({ by }) => by === "message"), { by: "message", origin, data: MESSAGE });
    assert.ok(!opened.url().includes(CODE), "the code is out of the address bar");
    // Another's state closes nothing.
    await page.evaluate(() => new BroadcastChannel("keyferry:connect").postMessage({ type: "keyferry:connect-taken", state: "another" }));
    await opened.getByTestId("connect-callback-code").waitFor();
    assert.equal(await opened.getByTestId("connect-callback-code").inputValue(), CODE);
    const closed = opened.waitForEvent("close");
    await page.evaluate((state) => new BroadcastChannel("keyferry:connect").postMessage({ type: "keyferry:connect-taken", state }), STATE);
    await closed;
    assert.deepEqual(complaints, [], "its policy lets its own script and style run");
  }
});

test("cut off from its opener it is heard on the channel of its origin", async (t) => {
  const { page, heard } = await listener(t, `${relay.origin}/connect/openrouter`);
  await popup(page, relay.origin + CALLBACK, "popup,noopener");
  await page.waitForFunction(() => Reflect.get(globalThis, "heard").length > 0);
  assert.deepEqual((await heard())[0], { by: "channel", origin: relay.origin, data: MESSAGE });
});

test("a page of another origin that opens it, the one that embeds the frame included, hears nothing", async (t) => {
  const { page, heard } = await listener(t, evil.origin);
  for (const origin of [relay.origin, relay.vault]) {
    const { opened } = await popup(page, origin + CALLBACK);
    await opened.getByTestId("connect-callback-code").waitFor();
    // Nor does its word close the window or change it.
    const reached = await page.evaluate((origin) => fetch(`${origin}/connect/openrouter`, { mode: "no-cors" }).then(() => "read", () => "kept out"), origin);
    assert.equal(reached, "kept out");
  }
  assert.deepEqual(await heard(), []);
});

test("it cannot be framed, and says so when nothing came", async (t) => {
  const { page } = await listener(t, evil.origin);
  await page.evaluate((url) => {
    const frame = document.createElement("iframe");
    frame.src = url;
    document.body.append(frame);
    return new Promise((resolve) => frame.addEventListener("load", resolve));
  }, relay.vault + CALLBACK);
  const framed = page.frames().find((frame) => frame !== page.mainFrame());
  assert.ok(!framed?.url().startsWith(relay.vault), framed?.url());

  const { opened } = await popup(page, `${relay.vault}/connect/openrouter?state=${STATE}&error=access_denied`);
  assert.equal(await opened.getByRole("heading").innerText(), "Not connected");
  assert.equal(await opened.getByTestId("connect-callback-code").isVisible(), false);
});

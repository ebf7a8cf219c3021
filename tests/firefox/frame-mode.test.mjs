// The vault in its frame in Firefox: created and filled through the frame's own dialog, used and locked by an
// app of another origin, found again by the next start; each site that embeds it has a vault of its own.
/// <reference path="../browser/globals.d.ts" />

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startApp } from "../support/app.mjs";
import { ENTER, newProfile, removeProfile, startFirefox } from "../support/firefox.mjs";
import { PASSWORD } from "../support/page.mjs";
import { startRelay } from "../support/relay.mjs";
import { CANARY, leaked } from "../support/stack.mjs";
import { ANSWER, startStandin } from "../support/standin.mjs";

const DIALOG = "dialog iframe";
/** @type {import("../support/app.mjs").App} */
let app;
/** The same app under a name that is another site to the browser. @type {string} */
let elsewhere;
/** @type {import("../support/relay.mjs").Relay} */
let relay;
/** @type {Awaited<ReturnType<typeof startStandin>>} */
let standin;
/** @type {string} */
let profile;
/** @type {import("../support/firefox.mjs").Firefox} */
let firefox;

before(async () => {
  standin = await startStandin({ keys: [CANARY.openai], latency: 40 });
  app = await startApp();
  elsewhere = app.origin.replace("localhost", "127.0.0.1");
  relay = await startRelay({
    provider: standin.url,
    server: `allowed_origins = ["${app.origin}", "${elsewhere}"]`,
    embedders: [app.origin, elsewhere],
  });
  profile = await newProfile();
  firefox = await startFirefox({ profile });
});
after(async () => {
  await firefox?.stop();
  await relay?.stop();
  await app?.stop();
  await standin?.stop();
  await removeProfile(profile);
});

/** Opens the vault in a fresh page of the app. */
async function open(origin = app.origin) {
  await firefox.goto(origin);
  await firefox.until(() => window.ready === true);
  return firefox.evaluate(async (relay) => {
    window.vault = await window.kf.openVault({ relay });
    return window.vault.state;
  }, relay.origin);
}

/** Has the frame show its dialog and goes into it. @param {"keys" | "unlock"} screen */
async function dialog(screen) {
  await firefox.evaluate((screen) => void window.vault.ui.open(screen), screen);
  await firefox.intoFrame(DIALOG);
}

/** Streams a chat and gives its text and when its parts came. */
function chat() {
  return firefox.evaluate(async (relay) => {
    const begun = performance.now();
    const response = await window.vault.fetch(`${relay}/providers/openai/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "gpt-4o", stream: true, messages: [{ role: "user", content: "Hello" }] }),
    });
    const times = [];
    let raw = "";
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    for (const decoder = new TextDecoder(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      times.push(performance.now() - begun);
      raw += decoder.decode(value, { stream: true });
    }
    const text = raw
      .split("\n")
      .filter((line) => line.startsWith("data: {"))
      .map((line) => JSON.parse(line.slice(6)).choices?.[0]?.delta?.content ?? "")
      .join("");
    return { status: response.status, payer: response.headers.get("x-byok-paid-by"), text, times };
  }, relay.origin);
}

test("create in the frame, stream from the app, lock, unlock", async () => {
  assert.equal(await open(), "empty");
  await dialog("keys");
  await firefox.type("create-password", PASSWORD);
  await firefox.type("create-password-repeat", PASSWORD);
  await firefox.type("create-submit", ENTER);
  const code = (await firefox.text("recovery-code")).trim();
  assert.match(code, /^[0-9A-Z]{5}(-[0-9A-Z]{5}){5}$/);
  await firefox.type("recovery-confirm", " ");
  await firefox.type("recovery-saved", ENTER);
  await firefox.type("key-provider", "OpenAI");
  await firefox.type("key-value", CANARY.openai);
  await firefox.type("key-submit", ENTER);
  await firefox.wait("key-row");
  await firefox.type("frame-close", ENTER);
  await firefox.top();
  assert.equal(await firefox.evaluate(() => window.vault.state), "unlocked");
  assert.equal(
    await firefox.evaluate(() => window.vault.keys.list().then(() => "listed", (error) => error.code)),
    "forbidden",
    "the app has the use of it, no more",
  );

  const answer = await chat();
  assert.deepEqual([answer.status, answer.payer, answer.text], [200, "user", ANSWER]);
  const [first = 0, last = 0] = [answer.times[0], answer.times.at(-1)];
  assert.ok(last - first > 200, `it arrives while it is made: ${answer.times}`);

  await firefox.evaluate(() => window.vault.lock());
  assert.equal((await chat()).status, 423);
  await dialog("unlock");
  await firefox.type("unlock-password", PASSWORD);
  await firefox.type("unlock-submit", ENTER);
  await firefox.top();
  await firefox.until(() => window.vault.state === "unlocked");
  assert.equal((await chat()).status, 200);
  assert.equal(leaked(relay.logs(), CANARY.openai), undefined);
});

test("the next start of the browser finds the vault, locked", async () => {
  await firefox.stop();
  firefox = await startFirefox({ profile });
  assert.equal(await open(), "locked");
  await dialog("unlock");
  await firefox.type("unlock-password", PASSWORD);
  await firefox.type("unlock-submit", ENTER);
  await firefox.top();
  await firefox.until(() => window.vault.state === "unlocked");
  assert.equal((await chat()).status, 200);
});

test("an app on another site has a vault of its own", async () => {
  assert.equal(await open(elsewhere), "empty");
  assert.equal(await open(), "locked");
});

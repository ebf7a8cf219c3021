// The vault on the app's own origin in Firefox: created, used, locked, and found again by the next start.
/// <reference path="../browser/globals.d.ts" />

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { OPENAI_KEY, PASSWORD, Site, streamEvents } from "../browser/site.mjs";
import { newProfile, removeProfile, startFirefox } from "../support/firefox.mjs";

const CHAT = "/providers/openai/v1/chat/completions";
const site = new Site();
/** @type {string} */
let profile;
/** @type {import("../support/firefox.mjs").Firefox} */
let firefox;

before(async () => {
  await site.start();
  profile = await newProfile();
  firefox = await startFirefox({ profile });
});
after(async () => {
  await firefox?.stop();
  await site.stop();
  await removeProfile(profile);
});

/** Opens the vault of this name in the page. @param {object} options of `openVault` */
async function open(options) {
  return firefox.evaluate(async (options) => {
    window.vault = await window.kf.openVault({ relay: location.origin, ...options });
    return window.vault.state;
  }, options);
}

/** A fresh page of the site. */
async function visit() {
  await firefox.goto(site.origin);
  await firefox.until(() => window.ready === true);
}

/** Streams an answer and gives when its parts came, in milliseconds since the request. */
function stream() {
  return firefox.evaluate(async (path) => {
    const begun = performance.now();
    const response = await window.vault.fetch(location.origin + path, { method: "POST", body: "{}" });
    const times = [];
    let text = "";
    for (const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader(), decoder = new TextDecoder(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      times.push(performance.now() - begun);
      text += decoder.decode(value, { stream: true });
    }
    return { status: response.status, url: response.url, times, events: text.split("\n\n").filter(Boolean).length };
  }, CHAT);
}

for (const worker of ["dedicated", "shared"]) {
  test(`create, stream, lock, unlock (${worker} worker)`, async () => {
    site.reset();
    await visit();
    assert.equal(await open({ name: worker, worker }), "empty");
    const created = await firefox.evaluate(
      async (password, key) => {
        const { recoveryCode } = await window.vault.create(password);
        const info = await window.vault.keys.add({ provider: "openai", key });
        return { recoveryCode, preview: info.preview, state: window.vault.state };
      },
      PASSWORD,
      OPENAI_KEY,
    );
    assert.match(created.recoveryCode, /^[0-9A-Z]{5}(-[0-9A-Z]{5}){5}$/);
    assert.equal(created.state, "unlocked");
    assert.ok(!created.preview.includes(OPENAI_KEY.slice(12, 20)));

    site.api = streamEvents(8, 100);
    const answer = await stream();
    assert.equal(answer.status, 200);
    assert.equal(answer.url, site.origin + CHAT);
    assert.equal(answer.events, 8);
    const [first = 0, last = 0] = [answer.times[0], answer.times.at(-1)];
    assert.ok(last - first > 300, `it arrives while it is made: ${answer.times}`);
    assert.equal(site.relayed[0]?.headers["x-byok-key"], OPENAI_KEY);

    await firefox.evaluate(() => window.vault.lock());
    assert.equal((await stream()).status, 423);
    assert.equal(site.relayed.length, 1, "nothing is sent when locked");
    const wrong = await firefox.evaluate(() => window.vault.unlock({ password: "not the password at all" }).catch((error) => error.code));
    assert.equal(wrong, "wrong_password");
    await firefox.evaluate((password) => window.vault.unlock({ password }), PASSWORD);
    assert.equal((await stream()).status, 200);
    await firefox.evaluate((code) => window.vault.lock().then(() => window.vault.unlock({ recoveryCode: code })), created.recoveryCode);
    assert.equal(await firefox.evaluate(() => window.vault.state), "unlocked");
  });
}

test("an aborted request ends at the relay, and a lock breaks a stream", async () => {
  site.reset();
  await visit();
  await open({ name: "abort", worker: "dedicated" });
  await firefox.evaluate(
    async (password, key) => {
      await window.vault.create(password);
      await window.vault.keys.add({ provider: "openai", key });
    },
    PASSWORD,
    OPENAI_KEY,
  );
  site.api = streamEvents(1_000, 20);
  const aborted = await firefox.evaluate(async (path) => {
    const control = new AbortController();
    const response = await window.vault.fetch(location.origin + path, { method: "POST", body: "{}", signal: control.signal });
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    await reader.read();
    control.abort();
    for (;;) {
      const outcome = await reader.read().then(({ done }) => (done ? "a clean end" : ""), (/** @type {Error} */ error) => error.name);
      if (outcome) return outcome;
    }
  }, CHAT);
  assert.equal(aborted, "AbortError");
  await site.relayed[0]?.closed;
  const locked = await firefox.evaluate(async (path) => {
    const response = await window.vault.fetch(location.origin + path, { method: "POST", body: "{}" });
    const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader();
    await reader.read();
    await window.vault.lock();
    for (;;) {
      const outcome = await reader.read().then(({ done }) => (done ? "a clean end" : ""), (/** @type {Error} */ error) => error.name);
      if (outcome) return outcome;
    }
  }, CHAT);
  assert.equal(locked, "TypeError");
  await site.relayed[1]?.closed;
});

test("a lock in one tab reaches the dedicated worker of another", async () => {
  site.reset();
  await visit();
  await open({ name: "tabs", worker: "dedicated" });
  await firefox.evaluate((password) => window.vault.create(password), PASSWORD);
  const one = await firefox.tab();
  await firefox.newTab();
  await visit();
  assert.equal(await open({ name: "tabs", worker: "dedicated" }), "locked");
  await firefox.evaluate((password) => window.vault.unlock({ password }), PASSWORD);
  await firefox.evaluate(() => window.vault.lock());
  await firefox.closeTab();
  await firefox.toTab(one);
  await firefox.until(() => window.vault.state === "locked");
});

test("two tabs adding at once: both keys survive", async () => {
  site.reset();
  await visit();
  await open({ name: "adding", worker: "dedicated" });
  await firefox.evaluate((password) => window.vault.create(password), PASSWORD);
  const one = await firefox.tab();
  const two = await firefox.newTab();
  await visit();
  await open({ name: "adding", worker: "dedicated" });
  await firefox.evaluate((password) => window.vault.unlock({ password }), PASSWORD);
  const add = (/** @type {string} */ mark) =>
    firefox.evaluate(
      (key, mark) => {
        Object.assign(window, { added: Promise.all([0, 1, 2].map((i) => window.vault.keys.add({ provider: "openai", key: `${key}${mark}${i}`, name: `${mark}${i}` }))) });
      },
      OPENAI_KEY,
      mark,
    );
  await add("b");
  await firefox.toTab(one);
  await add("a");
  await firefox.evaluate(() => Reflect.get(window, "added").then(() => true));
  await firefox.toTab(two);
  await firefox.evaluate(() => Reflect.get(window, "added").then(() => true));
  const names = await firefox.evaluate(() => window.vault.keys.list().then((keys) => keys.map(({ name }) => name).sort()));
  assert.deepEqual(names, ["a0", "a1", "a2", "b0", "b1", "b2"]);
  await firefox.closeTab();
  await firefox.toTab(one);
});

test("a shared vault is one for all tabs; a lone tab that reloads finds it locked", async () => {
  site.reset();
  await visit();
  await open({ name: "life", worker: "shared" });
  await firefox.evaluate((password) => window.vault.create(password), PASSWORD);
  const one = await firefox.tab();
  await firefox.newTab();
  await visit();
  assert.equal(await open({ name: "life", worker: "shared" }), "unlocked");
  await firefox.reload();
  await firefox.until(() => window.ready === true);
  assert.equal(await open({ name: "life", worker: "shared" }), "unlocked", "the other tab kept it");
  await firefox.closeTab();
  await firefox.toTab(one);
  await firefox.reload();
  await firefox.until(() => window.ready === true);
  // Firefox has no `extendedLifetime`: the worker went with its last page. Locked is the safe end.
  assert.equal(await open({ name: "life", worker: "shared" }), "locked");
});

test("what was stored is there after the browser was closed", async () => {
  site.reset();
  await visit();
  await open({ name: "kept", worker: "dedicated" });
  await firefox.evaluate(
    async (password, key) => {
      await window.vault.create(password);
      await window.vault.keys.add({ provider: "openai", key, name: "kept" });
    },
    PASSWORD,
    OPENAI_KEY,
  );
  await firefox.stop();
  firefox = await startFirefox({ profile });
  await visit();
  assert.equal(await open({ name: "kept", worker: "dedicated" }), "locked");
  const names = await firefox.evaluate(async (password) => {
    await window.vault.unlock({ password });
    return (await window.vault.keys.list()).map(({ name }) => name);
  }, PASSWORD);
  assert.deepEqual(names, ["kept"]);
  site.api = streamEvents(1, 1);
  assert.equal((await stream()).status, 200);
  assert.equal(site.relayed[0]?.headers["x-byok-key"], OPENAI_KEY);
});

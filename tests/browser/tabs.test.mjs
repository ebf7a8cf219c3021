// Several pages of one vault: the shared worker, dedicated workers that keep in step, reloads, dead tabs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { OPENAI_KEY, PASSWORD, open, openWithKey, reading, streamEvents, useSite } from "./site.mjs";

const { site, page: newPage, tab } = useSite();
const CHAT = "/providers/openai/v1/chat/completions";

/** @param {import("playwright-core").Page} page @param {string} state */
function becomes(page, state) {
  return page.waitForFunction((state) => vault.state === state, state, { timeout: 5_000 });
}

test("a shared worker holds one vault for all tabs", async (t) => {
  const one = await newPage(t);
  await openWithKey(one, { worker: "shared" });
  const two = await tab(one);
  assert.equal(await open(two, { worker: "auto" }), "unlocked");
  assert.equal((await two.evaluate(() => vault.keys.list())).length, 1);
  await two.evaluate(() => vault.lock());
  await becomes(one, "locked");
});

test("a lone tab finds its vault open after a reload and after coming back", async (t) => {
  const page = await newPage(t);
  await openWithKey(page, { worker: "shared" });
  await page.reload();
  await page.waitForFunction("globalThis.ready");
  assert.equal(await open(page, { worker: "shared" }), "unlocked");
  await page.goto(site.origin + "/other");
  await page.goto(site.origin + "/");
  await page.waitForFunction("globalThis.ready");
  assert.equal(await open(page, { worker: "shared" }), "unlocked");
});

test("a shared vault without pages locks", async (t) => {
  const page = await newPage(t);
  await openWithKey(page, { worker: "shared", workerUrl: "/hasty.js" });
  const other = await tab(page, "/other");
  await page.close();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const later = await tab(other);
  assert.equal(await open(later, { worker: "shared", workerUrl: "/hasty.js" }), "locked");
});

test("what a reload interrupts is cancelled", async (t) => {
  const page = await newPage(t);
  await openWithKey(page, { worker: "shared" });
  site.api = streamEvents(1_000, 20);
  await page.evaluate(async (path) => {
    const response = await vault.fetch(location.origin + path, { method: "POST", body: "{}" });
    const reader = response.body?.getReader();
    await reader?.read();
  }, CHAT);
  await page.reload();
  await closes(site.relayed[0]);
});

for (const worker of ["shared", "dedicated"]) {
  test(`a closed tab's requests are cancelled (${worker})`, async (t) => {
    const one = await newPage(t);
    await openWithKey(one, { worker });
    const two = await tab(one);
    await open(two, { worker });
    await two.evaluate(async (password) => vault.state === "unlocked" || vault.unlock({ password }), PASSWORD);
    site.api = streamEvents(1_000, 20);
    const started = two.evaluate(async (path) => {
      const response = await vault.fetch(location.origin + path, { method: "POST", body: "{}" });
      await response.body?.getReader().read();
    }, CHAT);
    await started;
    site.api = () => undefined;
    await two.evaluate((path) => void vault.fetch(location.origin + path, { method: "POST", body: "{}" }), CHAT);
    await until(() => site.relayed.length === 2);
    await two.close();
    await closes(site.relayed[0]);
    await closes(site.relayed[1]);
    assert.equal(await one.evaluate(() => vault.state), "unlocked");
  });
}

test("a lock reaches the dedicated workers of other tabs and breaks their streams", async (t) => {
  const one = await newPage(t);
  await openWithKey(one);
  const two = await tab(one);
  assert.equal(await open(two), "locked", "a dedicated worker opens its own");
  await two.evaluate((password) => vault.unlock({ password }), PASSWORD);
  site.api = streamEvents(1_000, 20);
  const end = await reading(two, CHAT);
  await one.evaluate(() => vault.lock());
  await becomes(two, "locked");
  assert.equal(await end(), "TypeError");
  await closes(site.relayed[0]);
});

test("two tabs adding at once: both keys survive", async (t) => {
  const one = await newPage(t);
  await open(one);
  await one.evaluate((password) => vault.create(password), PASSWORD);
  const two = await tab(one);
  await open(two);
  await two.evaluate((password) => vault.unlock({ password }), PASSWORD);
  const add = (/** @type {import("playwright-core").Page} */ page, /** @type {string} */ mark) =>
    page.evaluate(async ([key, mark]) => {
      for (let i = 0; i < 5; i++) await vault.keys.add({ provider: "openai", key: `${key}${mark}${i}`, name: `${mark}${i}` });
    }, [OPENAI_KEY, mark]);
  await Promise.all([add(one, "a"), add(two, "b")]);
  for (const page of [one, two]) {
    const names = (await page.evaluate(() => vault.keys.list())).map(({ name }) => name).sort();
    assert.deepEqual(names, ["a0", "a1", "a2", "a3", "a4", "b0", "b1", "b2", "b3", "b4"]);
  }
});

test("two tabs creating at once end with one vault", async (t) => {
  const one = await newPage(t);
  await open(one);
  const two = await tab(one);
  await open(two);
  const create = (/** @type {import("playwright-core").Page} */ page, /** @type {string} */ password) =>
    page.evaluate((password) => vault.create(password).then(() => "created", (error) => error.code), password);
  const outcomes = await Promise.all([create(one, PASSWORD + "1"), create(two, PASSWORD + "2")]);
  assert.deepEqual([...outcomes].sort(), ["created", "vault_exists"]);
  const winner = outcomes[0] === "created" ? "1" : "2";
  const three = await tab(one);
  await open(three);
  await three.evaluate((password) => vault.unlock({ password }), PASSWORD + winner);
});

test("a change in one tab shows in the others", async (t) => {
  const one = await newPage(t);
  await openWithKey(one);
  const two = await tab(one);
  await open(two);
  await two.evaluate((password) => vault.unlock({ password }), PASSWORD);
  await one.evaluate((key) => vault.keys.add({ provider: "anthropic", key: `sk-ant-api03-${key}` }), OPENAI_KEY);
  await two.waitForFunction(() => vault.providers().find(({ id }) => id === "anthropic")?.hasKey, null, { timeout: 5_000 });
});

test("the keyneeded event goes to the tab that asked", async (t) => {
  const one = await newPage(t);
  await open(one, { worker: "shared" });
  await one.evaluate((password) => vault.create(password), PASSWORD);
  const two = await tab(one);
  await open(two, { worker: "shared" });
  for (const page of [one, two]) {
    await page.evaluate(() => {
      Object.assign(globalThis, { needed: 0 });
      vault.addEventListener("keyneeded", () => void /** @type {any} */ (globalThis).needed++);
    });
  }
  await two.evaluate((path) => vault.fetch(location.origin + path, { method: "POST", body: "{}" }), CHAT);
  assert.equal(await two.evaluate("needed"), 1);
  assert.equal(await one.evaluate("needed"), 0);
});

/** @param {import("./site.mjs").Call | undefined} call */
async function closes(call) {
  const late = new Promise((_, reject) => setTimeout(reject, 2_000, new Error("the connection stays open")).unref());
  await Promise.race([call?.closed, late]);
}

/** @param {() => boolean} happened */
async function until(happened) {
  for (const deadline = Date.now() + 5_000; !happened(); ) {
    if (Date.now() > deadline) throw new Error("did not happen");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

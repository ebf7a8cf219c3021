// When a vault locks by itself: its clock, its age, its pages out of sight; and what is running then.

import assert from "node:assert/strict";
import { test } from "node:test";
import { OPENAI_KEY, PASSWORD, open, openWithKey, reading, streamEvents, useSite } from "./site.mjs";

/** @typedef {import("playwright-core").Page} Page */

const { site, page: newPage, tab } = useSite();
const CHAT = "/providers/openai/v1/chat/completions";
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** An open vault whose clock the test sets, noting why it locks. @param {Page} page @param {object} [options] */
async function timed(page, options) {
  await openWithKey(page, { workerUrl: "/probe.js", ...options });
  await page.evaluate(() => {
    Object.assign(globalThis, { reasons: [] });
    vault.addEventListener("lock", ({ detail }) => void Reflect.get(globalThis, "reasons").push(detail.reason));
  });
  return {
    /** @param {number} skew milliseconds by which the worker's clock is off */
    async at(skew) {
      await page.workers().at(-1)?.evaluate((skew) => void Object.assign(globalThis, { skew }), skew);
    },
    /** Uses the vault; gives the answer's status. */
    use: () => page.evaluate(async (path) => (await vault.fetch(location.origin + path, { method: "POST", body: "{}" })).status, CHAT),
    /** Of the locks so far, once there is one: the event comes right behind the state. */
    reasons: async () => {
      await page.waitForFunction("reasons.length > 0");
      return /** @type {Promise<string[]>} */ (page.evaluate("reasons"));
    },
  };
}

test("use puts the idle lock off, but not the oldest age a vault may have", async (t) => {
  const page = await newPage(t);
  const vault = await timed(page, { autoLockMinutes: 1440 });
  for (const hours of [8, 16, 23.9]) {
    await vault.at(hours * HOUR);
    assert.equal(await vault.use(), 200, `${hours} hours`);
  }
  await vault.at(24 * HOUR + MINUTE);
  assert.equal(await vault.use(), 423);
  assert.deepEqual(await vault.reasons(), ["max_age"]);
});

test("a clock that was set back locks", async (t) => {
  const page = await newPage(t);
  const vault = await timed(page);
  await vault.at(-2_000);
  assert.equal(await vault.use(), 200, "time synchronisation takes a clock back a little");
  await vault.at(-HOUR);
  assert.equal(await vault.use(), 423);
  assert.deepEqual(await vault.reasons(), ["clock"]);
});

test("a lock by the clock breaks the stream that was running", async (t) => {
  const page = await newPage(t);
  const vault = await timed(page, { autoLockMinutes: 5 });
  site.api = streamEvents(1_000, 20);
  const end = await reading(page, CHAT);
  await vault.at(6 * MINUTE);
  // Whoever comes first after the machine slept: a page that asks, or the worker's own timer.
  await page.evaluate(() => globalThis.vault.touch());
  assert.equal(await end(), "TypeError");
  assert.equal(await page.evaluate(() => globalThis.vault.state), "locked");
  assert.deepEqual(await vault.reasons(), ["idle"]);
  await site.relayed.at(-1)?.closed;
});

test("a vault that locks when hidden does so with its last page out of sight, mid-stream", async (t) => {
  const one = await newPage(t);
  const vault = await timed(one, { worker: "shared", workerUrl: "/keyferry/worker.js" });
  await one.evaluate((password) => globalThis.vault.settings({ password, lockOnHide: true }), PASSWORD);
  const two = await tab(one);
  assert.equal(await open(two, { worker: "shared", workerUrl: "/keyferry/worker.js" }), "unlocked");
  site.api = streamEvents(1_000, 20);
  await one.evaluate(async (path) => {
    const response = await globalThis.vault.fetch(location.origin + path, { method: "POST", body: "{}" });
    await response.body?.getReader().read();
  }, CHAT);
  const hide = (/** @type {Page} */ page) =>
    page.evaluate(() => {
      Object.defineProperty(document, "visibilityState", { configurable: true, get: () => "hidden" });
      document.dispatchEvent(new Event("visibilitychange"));
    });
  await hide(one);
  assert.equal(await two.evaluate(async () => (await globalThis.vault.keys.list()).length), 1, "the other page is in sight");
  await hide(two);
  await one.waitForFunction(() => globalThis.vault.state === "locked");
  assert.deepEqual(await vault.reasons(), ["hidden"]);
  await site.relayed.at(-1)?.closed;
});

test("a lock wins over whatever the owner has under way, and what was begun is whole or not at all", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  for (const delay of [0, 2, 5, 20, 60, 150]) {
    const outcome = await page.evaluate(
      async ([password, key, delay]) => {
        const name = `after ${delay}`;
        const work = [
          vault.keys.add({ provider: "openai", key: `${key}${delay}`, name }),
          vault.export(String(password), String(password)),
          vault.keys.list(),
        ].map((call) => call.then(() => "done", (/** @type {any} */ error) => error.code));
        await new Promise((resolve) => setTimeout(resolve, Number(delay)));
        await vault.lock();
        const ended = await Promise.all(work);
        const locked = vault.state;
        await vault.unlock({ password: String(password) });
        return { ended, locked, added: (await vault.keys.list()).some((info) => info.name === name) };
      },
      [PASSWORD, OPENAI_KEY, delay],
    );
    assert.equal(outcome.locked, "locked");
    for (const end of outcome.ended) assert.ok(["done", "locked"].includes(end), `after ${delay} ms: ${end}`);
    if (outcome.ended[0] === "done") assert.ok(outcome.added, `after ${delay} ms: said to be added`);
  }
  assert.deepEqual(await page.evaluate(() => vault.getSnapshot().damaged), []);
});

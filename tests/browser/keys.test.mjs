// Which key a request gets, and which it does not: turns, refusals of the provider, expiry, caps.

import assert from "node:assert/strict";
import { test } from "node:test";
import { OPENAI_KEY, PASSWORD, openWithKey, useSite } from "./site.mjs";

/** @typedef {import("playwright-core").Page} Page */

const { site, page: newPage } = useSite();
const CHAT = "/providers/openai/v1/chat/completions";
const SECOND = "sk-proj-" + "2".repeat(40);
const DAY = 24 * 60 * 60 * 1000;

/** Sends a request; gives its status, the relay's code and the reasons of `keyneeded`. @param {Page} page */
function ask(page) {
  return page.evaluate(async (path) => {
    /** @type {unknown[]} */
    const reasons = [];
    const note = (/** @type {any} */ { detail }) => void reasons.push(detail.reason);
    vault.addEventListener("keyneeded", note);
    const response = await vault.fetch(location.origin + path, { method: "POST", body: JSON.stringify({ model: "gpt-4o" }) });
    const body = await response.json();
    vault.removeEventListener("keyneeded", note);
    return { status: response.status, code: body.code ?? null, reasons };
  }, CHAT);
}

const used = () => site.relayed.map(({ headers }) => headers["x-byok-key"]);

test("keys of a provider take turns, and one that the provider refuses moves on to the next", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  await page.evaluate((key) => vault.keys.add({ provider: "openai", key }), SECOND);
  for (let i = 0; i < 4; i += 1) {
    assert.equal((await ask(page)).status, 200);
    await page.waitForTimeout(5); // their turn goes by the time of their last use, in milliseconds
  }
  assert.deepEqual(used().slice(0, 2).sort(), [OPENAI_KEY, SECOND].sort());
  assert.deepEqual(used().slice(2), used().slice(0, 2));

  for (const refused of [401, 402, 403, 429]) {
    site.calls = [];
    site.api = (_call, response) => {
      const status = site.relayed.length === 1 ? refused : 200;
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify({ status }));
    };
    assert.equal((await ask(page)).status, 200);
    assert.equal(new Set(used()).size, 2, `both were tried after ${refused}`);
    assert.deepEqual(site.relayed.map(({ headers }) => headers["x-byok-fallback"]), ["never", undefined]);
  }
  // What the relay itself refuses would meet every key.
  site.calls = [];
  site.api = (_call, response) => {
    response.writeHead(429, { "content-type": "application/problem+json", "x-byok-error": "rate_limited" }).end(JSON.stringify({ code: "rate_limited" }));
  };
  assert.deepEqual(await ask(page), { status: 429, code: "rate_limited", reasons: [] });
  assert.equal(site.relayed.length, 1);
});

test("a key that is off or has expired is not used, and the event says so", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const id = String(await page.evaluate(async () => (await vault.keys.list())[0]?.id));
  await page.evaluate((id) => vault.keys.update(id, { active: false }), id);
  assert.deepEqual(await ask(page), { status: 401, code: "missing_key", reasons: ["inactive"] });
  await page.evaluate(([id, at]) => vault.keys.update(String(id), { active: true, expiresAt: Number(at) }), [id, Date.now() - 1]);
  assert.deepEqual(await ask(page), { status: 401, code: "missing_key", reasons: ["expired"] });
  assert.equal(site.relayed.length, 0);
  await page.evaluate((id) => vault.keys.update(id, { expiresAt: null }), id);
  assert.equal((await ask(page)).status, 200);
});

test("a key that expires soon is told at the unlock", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const told = await page.evaluate(
    async ([password, soon, later, second]) => {
      const [key] = await vault.keys.list();
      await vault.keys.update(String(key?.id), { expiresAt: Number(soon) });
      await vault.keys.add({ provider: "openai", key: String(second), expiresAt: Number(later) });
      await vault.lock();
      const told = new Promise((resolve) => vault.addEventListener("keyexpiring", ({ detail }) => resolve(detail), { once: true }));
      let events = 0;
      vault.addEventListener("keyexpiring", () => void events++);
      await vault.unlock({ password: String(password) });
      const detail = await told;
      await vault.keys.list();
      return { detail, events, id: key?.id };
    },
    [PASSWORD, Date.now() + 3 * DAY, Date.now() + 30 * DAY, SECOND],
  );
  assert.equal(/** @type {any} */ (told.detail).id, told.id);
  assert.equal(told.events, 1, "the other one has time");
});

test("a key's daily cap is kept before anything is sent", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  // Ten cents by the relay's price: a million tokens at a hundred thousand pico-dollars each.
  site.api = (_call, response) => {
    response.writeHead(200, { "content-type": "application/json", "x-byok-paid-by": "user", "x-byok-price": "input=100000;output=100000" });
    response.end(JSON.stringify({ usage: { prompt_tokens: 1_000_000, completion_tokens: 0, total_tokens: 1_000_000 } }));
  };
  const id = String(await page.evaluate(async () => (await vault.keys.list())[0]?.id));
  await page.evaluate((id) => vault.keys.update(id, { dailyCapUsd: 0.15 }), id);
  const statuses = [];
  for (let i = 0; i < 3; i += 1) statuses.push(await ask(page));
  assert.deepEqual(statuses.map(({ status }) => status), [200, 200, 402]);
  assert.deepEqual(statuses[2], { status: 402, code: "daily_cap_reached", reasons: ["daily_cap"] });
  assert.equal(site.relayed.length, 2);
  const rows = await page.evaluate(() => vault.usage());
  assert.equal(rows.reduce((sum, { costUsd }) => sum + costUsd, 0), 0.2);
});

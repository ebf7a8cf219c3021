/// <reference path="./globals.d.ts" />
// What a person does about a vault that storage has damaged: repairs it, and is told what became of the keys.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BOTH, HEADER, MANIFEST, SECOND_KEY, found, keep, stored, tamper } from "./records.mjs";
import { OPENAI_KEY, PASSWORD, failure, open, useSite } from "./site.mjs";

/** @typedef {import("playwright-core").Page} Page */

const { site, page: newPage, tab } = useSite();
const HOW = JSON.stringify({ password: PASSWORD });

/** The names of records of a kind, in code for `tamper`. @param {number} kind */
const named = (kind) => `[...records.keys()].filter((name) => name.startsWith("${kind}/"))`;
/** The id of the OpenAI key: the first that was stored. @param {Page} page @param {string} provider */
const idOf = (page, provider) =>
  page.evaluate(async (provider) => (await vault.keys.list()).find((key) => key.provider === provider)?.id, provider);

/** What the relay was sent for a chat with each provider's key. @param {Page} page */
async function used(page) {
  for (const provider of ["openai", "anthropic"]) {
    await page.evaluate((provider) => vault.fetch(`/providers/${provider}/v1/models`).then((response) => response.text()), provider);
  }
  return site.relayed.map(({ headers }) => headers["x-byok-key"]).sort();
}

/** @param {Page} page @param {object} [options] */
const repair = (page, options = {}) =>
  page.evaluate(async ([how, options]) => {
    const { relisted, found, keys, dropped } = await vault.repair(JSON.parse(String(how)), /** @type {any} */ (options));
    const names = (/** @type {readonly { provider: string, damaged: string | null, active: boolean }[]} */ keys) => keys.map(({ provider, damaged, active }) => [provider, damaged ?? active]);
    return { relisted, found: found.map(({ record, kind }) => `${record} ${kind}`), keys: names(keys), dropped: names(dropped) };
  }, /** @type {const} */ ([HOW, options]));

for (const [what, change] of Object.entries({
  gone: `records.delete("${MANIFEST}")`,
  truncated: `records.set("${MANIFEST}", records.get("${MANIFEST}").slice(0, 50))`,
  altered: `const bytes = records.get("${MANIFEST}").slice(); bytes[40] ^= 1; records.set("${MANIFEST}", bytes)`,
  "no bytes at all": `records.set("${MANIFEST}", "text")`,
})) {
  test(`a list of records that is ${what}: corrupt, repaired, in use`, async (t) => {
    const page = await newPage(t);
    await stored(page);
    await tamper(page, change);
    await open(page);
    assert.equal((await failure(page, `await vault.unlock(${HOW})`))?.code, "corrupt");
    assert.equal(await page.evaluate(() => vault.state), "locked");
    assert.deepEqual(await repair(page), { relisted: true, found: [], keys: [["openai", true], ["anthropic", true]], dropped: [] });
    assert.equal(await page.evaluate(() => vault.state), "unlocked");
    assert.deepEqual(await used(page), [SECOND_KEY, OPENAI_KEY].sort());
    const log = await page.evaluate(async () => (await vault.audit()).map(({ action }) => action));
    assert.ok(log.includes("repaired") && log.includes("created"), String(log));
    await page.evaluate(() => vault.close());
    assert.deepEqual(await found(page), { texts: BOTH, damaged: [], names: ["OpenAI", "Anthropic"] });
  });
}

test("keys that cannot be read are named, stay until asked to go, and cost no other", async (t) => {
  const page = await newPage(t);
  await stored(page);
  await open(page);
  await page.evaluate((password) => vault.unlock({ password }), PASSWORD);
  const id = await idOf(page, "openai");
  await page.evaluate(() => vault.close());
  await tamper(page, `records.set("6/${id}", records.get("6/${id}").slice(0, -1)); records.delete("${MANIFEST}");`);
  await open(page);
  const told = { relisted: true, found: ["key corrupt"], keys: [["openai", "corrupt"], ["anthropic", true]], dropped: [] };
  assert.deepEqual(await repair(page), told);
  assert.deepEqual(await page.evaluate(() => vault.getSnapshot().damaged), [{ id, record: "key", kind: "corrupt" }]);
  assert.equal(await page.evaluate(() => vault.providers().find(({ id }) => id === "openai")?.hasKey), false);
  assert.deepEqual(await used(page), [SECOND_KEY]);
  assert.deepEqual(await repair(page, { drop: true }), { ...told, relisted: false, keys: [["anthropic", true]], dropped: [["openai", "corrupt"]] });
  await page.evaluate(() => vault.close());
  assert.deepEqual(await found(page), { texts: [SECOND_KEY], damaged: [], names: ["Anthropic"] });
});

test("a key that is older than listed is told, and not used before somebody says so", async (t) => {
  const page = await newPage(t);
  await stored(page);
  await keep(page);
  await open(page);
  await page.evaluate((password) => vault.unlock({ password }), PASSWORD);
  const id = String(await idOf(page, "openai"));
  await page.evaluate((id) => vault.keys.update(id, { name: "renamed", dailyCapUsd: 1 }), id);
  await page.evaluate(() => vault.close());
  await tamper(page, `records.set("5/${id}", saved.get("5/${id}"));`);
  await open(page);
  assert.deepEqual(await repair(page), { relisted: false, found: ["key rolled_back"], keys: [["openai", false], ["anthropic", true]], dropped: [] });
  assert.deepEqual(await used(page), [SECOND_KEY]);
  site.calls = [];
  await page.evaluate((id) => vault.keys.update(id, { active: true }), id);
  assert.deepEqual(await used(page), [SECOND_KEY, OPENAI_KEY].sort());
});

test("nothing is repaired without a way in, or with a header or list that cannot be trusted", async (t) => {
  const page = await newPage(t);
  await stored(page);
  await tamper(page, `records.delete("${MANIFEST}");`);
  await keep(page);
  const untouched = async () => {
    await tamper(page, `globalThis.same = records.size === saved.size && [...records].every(([name, bytes]) => String(bytes) === String(saved.get(name)));`);
    return page.evaluate("same");
  };
  await open(page);
  assert.equal((await failure(page, `await vault.repair({ password: "not this one, surely" }, { drop: true })`))?.code, "wrong_password");
  assert.equal((await failure(page, `const guest = await kf.openVault({ relay: location.origin, name: "guest", port: vault.share() }); await guest.repair(${HOW})`))?.code, "forbidden");
  await page.evaluate(() => vault.close());
  assert.ok(await untouched());

  const raised = (/** @type {string} */ name, /** @type {number} */ at, rest = "") =>
    tamper(page, `saved.forEach((bytes, name) => records.set(name, bytes)); const bytes = records.get(${name})?.slice() ?? new Uint8Array(91); bytes[${at}] = 2; records.set(${name}, bytes); ${rest}`);
  await raised(`"${MANIFEST}"`, 1);
  await open(page);
  assert.equal((await failure(page, `await vault.repair(${HOW}, { drop: true })`))?.code, "future_version");
  await page.evaluate(() => vault.close());
  await tamper(page, `records.clear(); saved.forEach((bytes, name) => records.set(name, bytes)); ${named(3)}.forEach((name) => records.delete(name));`);
  await open(page);
  assert.equal((await failure(page, `await vault.repair(${HOW}, { drop: true })`))?.code, "corrupt");
  await page.evaluate(() => vault.close());
  await tamper(page, `records.clear(); saved.forEach((bytes, name) => records.set(name, bytes)); records.delete("${HEADER}");`);
  assert.equal((await failure(page, `await kf.openVault({ relay: location.origin, worker: "dedicated" })`))?.code, "corrupt");
});

test("another tab takes over what was repaired", async (t) => {
  const page = await newPage(t);
  await stored(page);
  await tamper(page, `records.delete("${MANIFEST}");`);
  await open(page);
  const other = await tab(page);
  await open(other);
  await repair(page);
  assert.equal(await other.evaluate(() => vault.state), "locked");
  await other.evaluate((password) => vault.unlock({ password }), PASSWORD);
  assert.deepEqual((await other.evaluate(() => vault.keys.list())).length, 2);
  // And an open tab goes on.
  assert.deepEqual(await repair(other), { relisted: false, found: [], keys: [["openai", true], ["anthropic", true]], dropped: [] });
  assert.equal((await page.evaluate(() => vault.keys.list())).length, 2);
});

test("a damaged key that keeps a vault from moving to another relay is told, and can be left behind", async (t) => {
  const page = await newPage(t);
  await stored(page);
  await open(page);
  await page.evaluate((password) => vault.unlock({ password }), PASSWORD);
  const id = await idOf(page, "openai");
  await page.evaluate(() => vault.close());
  await tamper(page, `records.set("6/${id}", records.get("6/${id}").slice(0, -1));`);
  await page.evaluate(async () => {
    globalThis.vault = await kf.openVault({ relay: `${location.origin}/moved`, worker: "dedicated" });
  });
  assert.equal((await failure(page, `await vault.unlock(${HOW})`))?.code, "relay_changed");
  assert.equal((await failure(page, `await vault.rebind(vault.relay, ${JSON.stringify(PASSWORD)})`))?.code, "corrupt");
  await page.waitForFunction(() => vault.getSnapshot().damaged.length === 1);
  assert.deepEqual(await page.evaluate(() => [vault.state, vault.getSnapshot().damaged]), ["locked", [{ id, record: "key", kind: "corrupt" }]]);
  assert.deepEqual((await repair(page, { drop: true })).dropped, [["openai", "corrupt"]]);
  assert.deepEqual(await page.evaluate(() => [vault.state, vault.getSnapshot().damaged]), ["locked", []]);
  assert.equal(await failure(page, `await vault.rebind(vault.relay, ${JSON.stringify(PASSWORD)})`), null);
  assert.equal((await page.evaluate(() => vault.keys.list())).length, 1);
});

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

test("a change of the password takes along what another tab writes meanwhile", async (t) => {
  const [one, two] = await twoTabs(t);
  const [worker] = one.workers();
  // The change has proven the old password and derives from the new one when the other tab writes.
  await worker?.evaluate(() => {
    const { deriveBits } = SubtleCrypto.prototype;
    const gate = Object.assign(globalThis, { derived: 0, go: () => {} });
    const opened = new Promise((resolve) => (gate.go = () => resolve(undefined)));
    SubtleCrypto.prototype.deriveBits = async function (...args) {
      const bits = await deriveBits.apply(this, args);
      if (++gate.derived === 2) await opened;
      return bits;
    };
  });
  const next = "a different horse battery staple";
  const changed = one.evaluate(([old, next]) => vault.changePassword(String(old), String(next)).then(() => "changed", (error) => error.code), [PASSWORD, next]);
  await worker?.evaluate(async () => {
    while (/** @type {any} */ (globalThis).derived < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  });
  await addsSoon(two);
  await worker?.evaluate(() => /** @type {any} */ (globalThis).go());
  assert.equal(await changed, "changed");
  await becomes(two, "locked");
  assert.equal((await one.evaluate(() => vault.keys.list())).length, 2, "and stays open where the password was changed");
});

test("a delayed guess in one tab keeps no other from writing", async (t) => {
  const [one, two] = await twoTabs(t);
  const [worker] = one.workers();
  const guess = () => one.evaluate(() => vault.changePassword("not the password at all", "a different horse battery staple").catch((error) => error.code));
  for (let i = 0; i < 3; i++) assert.equal(await guess(), "wrong_password");
  // From here on its delay never ends.
  await worker?.evaluate(() => {
    const wait = self.setTimeout;
    const gate = Object.assign(globalThis, { delayed: false });
    self.setTimeout = /** @type {any} */ ((/** @type {() => void} */ run, /** @type {number} */ ms) => (ms === 1_000 ? (gate.delayed = true) : wait(run, ms)));
  });
  void guess().catch(() => undefined);
  await until(() => /** @type {any} */ (worker)?.evaluate("delayed"));
  await addsSoon(two);
});

test("whatever is written is written in the vault's turn", async (t) => {
  const page = await newPage(t);
  await open(page, { workerUrl: "/turns.js" });
  const [worker] = page.workers();
  site.api = (call, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(call.path === "/v1/keys/test" ? { verdict: "valid", latencyMs: 12 } : {}));
  };
  await page.evaluate(async ([password, key, path]) => {
    password = String(password);
    await vault.create(password);
    const { id } = await vault.keys.add({ provider: "openai", key: String(key) });
    await vault.keys.update(id, { name: "another" });
    await vault.keys.rotate(id, key + "x");
    await vault.settings({ password, autoLockMinutes: 20 });
    await (await vault.fetch(location.origin + path, { method: "POST", body: "{}" })).text();
    const file = await vault.export("for the backup alone, and long", password);
    await vault.keys.remove(id);
    await vault.import(file, "for the backup alone, and long");
    await vault.recovery.renew(password);
    await vault.lock();
    await vault.unlock({ password });
  }, [PASSWORD, OPENAI_KEY, CHAT]);
  const writes = /** @type {boolean[]} */ (await worker?.evaluate("writes"));
  assert.ok(writes.length >= 10, `${writes.length} writes were seen`);
  assert.deepEqual([...new Set(writes)], [true], "each holds the lock");
});

test("what another tab writes is no use of the vault here", async (t) => {
  const one = await newPage(t);
  await openWithKey(one);
  const two = await tab(one);
  await open(two, { workerUrl: "/probe.js" });
  await two.evaluate((password) => vault.unlock({ password }), PASSWORD);
  // Only what was written is told, not that somebody is there.
  await one.workers()[0]?.evaluate(() => {
    const { postMessage } = BroadcastChannel.prototype;
    BroadcastChannel.prototype.postMessage = function (message) {
      if (message.t !== "touch") postMessage.call(this, message);
    };
  });
  const before = await two.evaluate(() => vault.getSnapshot().lockAt);
  await two.workers()[0]?.evaluate(() => void Object.assign(globalThis, { skew: 60_000 }));
  await one.evaluate((key) => vault.keys.add({ provider: "anthropic", key: `sk-ant-api03-${key}` }), OPENAI_KEY);
  await two.waitForFunction(() => vault.providers().find(({ id }) => id === "anthropic")?.hasKey, null, { timeout: 5_000 });
  assert.equal(await two.evaluate(() => vault.getSnapshot().lockAt), before);
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

/** Adds a key, which must not wait for anybody. @param {import("playwright-core").Page} page */
async function addsSoon(page) {
  const added = page.evaluate((key) => vault.keys.add({ provider: "anthropic", key: `sk-ant-api03-${key}` }).then(() => "added"), OPENAI_KEY);
  const late = new Promise((resolve) => setTimeout(resolve, 8_000, "waits").unref());
  assert.equal(await Promise.race([added.catch(String), late]), "added");
}

/** Two tabs of one vault, both open, each with a worker of its own. @param {import("node:test").TestContext} t */
async function twoTabs(t) {
  const one = await newPage(t);
  await openWithKey(one);
  const two = await tab(one);
  await open(two);
  await two.evaluate((password) => vault.unlock({ password }), PASSWORD);
  return /** @type {const} */ ([one, two]);
}

/** @param {import("./site.mjs").Call | undefined} call */
async function closes(call) {
  const late = new Promise((_, reject) => setTimeout(reject, 2_000, new Error("the connection stays open")).unref());
  await Promise.race([call?.closed, late]);
}

/** @param {() => boolean | Promise<boolean>} happened */
async function until(happened) {
  for (const deadline = Date.now() + 5_000; !(await happened()); ) {
    if (Date.now() > deadline) throw new Error("did not happen");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

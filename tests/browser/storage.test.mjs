// What storage does to a vault: full, gone, tampered with, cut off in the middle.

import assert from "node:assert/strict";
import { test } from "node:test";
import { OPENAI_KEY, PASSWORD, failure, open, openWithKey, useSite } from "./site.mjs";

/** @typedef {import("playwright-core").Page} Page */

const { page: newPage, tab } = useSite();
const NEXT = "a different horse battery staple";
/** The record that is readable without a password: what and whose vault this is. */
const HEADER = "1/00000000000000000000000000000000";
const SECOND = "sk-ant-api03-" + "b".repeat(60);

/** Runs in the page with the vault's records: a map from name to bytes. @param {Page} page @param {string} code */
function tamper(page, code) {
  return page.evaluate(async (code) => {
    // Before anything is awaited: later the page's CSP applies to this code as well.
    const change = new Function("records", code);
    /** @param {IDBRequest} request @returns {Promise<any>} */
    const done = (request) => new Promise((resolve, reject) => ((request.onsuccess = () => resolve(request.result)), (request.onerror = () => reject(request.error))));
    const database = await done(indexedDB.open("keyferry:default"));
    const store = database.transaction("records", "readwrite").objectStore("records");
    const names = await done(store.getAllKeys());
    const records = new Map();
    for (const name of names) records.set(name, await done(store.get(name)));
    change(records);
    store.clear();
    for (const [name, bytes] of records) store.put(bytes, name);
    await new Promise((resolve) => (store.transaction.oncomplete = resolve));
    database.close();
    return names;
  }, code);
}

/** A vault with two keys, locked, its worker gone. @param {Page} page */
async function stored(page) {
  await openWithKey(page);
  await page.evaluate((key) => vault.keys.add({ provider: "anthropic", key }), SECOND);
  await page.evaluate(() => vault.lock());
  await page.evaluate(() => vault.close());
}

test("a full disk changes nothing and says quota", async (t) => {
  const page = await newPage(t);
  await openWithKey(page, { workerUrl: "/probe.js" });
  const [worker] = page.workers();
  await worker?.evaluate(() => {
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (...args) {
      this.transaction.abort();
      throw Object.assign(new DOMException("full", "QuotaExceededError"), { put, args });
    };
    Object.assign(globalThis, { heal: () => (IDBObjectStore.prototype.put = put) });
  });
  const add = `await vault.keys.add({ provider: "anthropic", key: "${SECOND}" })`;
  assert.equal((await failure(page, add))?.code, "quota");
  const change = `await vault.changePassword(${JSON.stringify(PASSWORD)}, ${JSON.stringify(NEXT)})`;
  assert.equal((await failure(page, change))?.code, "quota");
  await worker?.evaluate("heal()");
  assert.equal(await failure(page, add), null);
  await page.evaluate(() => vault.lock());
  await page.evaluate((password) => vault.unlock({ password }), PASSWORD);
  assert.equal((await page.evaluate(() => vault.keys.list())).length, 2);
});

test("a database deleted under an open vault is storage_lost, not an empty list", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  await page.evaluate(() => new Promise((resolve) => (indexedDB.deleteDatabase("keyferry:default").onsuccess = resolve)));
  assert.equal((await failure(page, "await vault.keys.list()"))?.code, "storage_lost");
  await page.waitForFunction(() => vault.state !== "unlocked");
});

test("a database of a newer program is reload_required", async (t) => {
  const page = await newPage(t);
  await page.evaluate(() => new Promise((resolve) => {
    const request = indexedDB.open("keyferry:default", 7);
    request.onsuccess = () => resolve(request.result.close());
  }));
  assert.equal((await failure(page, `await kf.openVault({ relay: location.origin, worker: "dedicated" })`))?.code, "reload_required");
});

test("a damaged header is corrupt, never an empty vault", async (t) => {
  const page = await newPage(t);
  await stored(page);
  await tamper(page, `records.forEach((bytes, name) => name === "${HEADER}" && records.set(name, bytes.slice(0, 5)));`);
  assert.equal((await failure(page, `await kf.openVault({ relay: location.origin, worker: "dedicated" })`))?.code, "corrupt");
  await tamper(page, `records.forEach((_, name) => name === "${HEADER}" && records.delete(name));`);
  assert.equal((await failure(page, `await kf.openVault({ relay: location.origin, worker: "dedicated" })`))?.code, "corrupt");
});

test("any one record changed, cut or dropped is noticed, and the rest stays usable", async (t) => {
  for (const change of ["bytes[bytes.length - 1] ^= 1", "records.set(name, bytes.slice(0, -1))", "records.delete(name)"]) {
    const page = await newPage(t);
    await stored(page);
    const names = /** @type {string[]} */ (await tamper(page, ""));
    let noticed = 0;
    for (const name of names) {
      /** @type {{ keys: number, damaged: number, log: boolean } | { code: string }} */
      let outcome;
      await tamper(page, `globalThis.saved = new Map(records); const name = ${JSON.stringify(name)}; let bytes = records.get(name).slice(); records.set(name, bytes); ${change};`);
      outcome = await page.evaluate(async (password) => {
        try {
          const vault = await kf.openVault({ relay: location.origin, worker: "dedicated" });
          try {
            await vault.unlock({ password });
            const keys = await vault.keys.list();
            // A key is decrypted when it is used, the audit log when it is read.
            const revealed = await Promise.all(keys.map(({ id }) => vault.keys.reveal(id, password).then(() => true, () => false)));
            const log = await vault.audit().then((events) => events.some(({ action }) => action === "created"), () => false);
            return { keys: revealed.filter(Boolean).length, damaged: vault.getSnapshot().damaged.length, log };
          } finally {
            vault.close();
          }
        } catch (error) {
          return { code: /** @type {any} */ (error).code };
        }
      }, PASSWORD);
      if (!("keys" in outcome) || outcome.damaged > 0 || outcome.keys < 2 || !outcome.log) noticed++;
      if ("keys" in outcome) assert.ok(Number(outcome.keys) >= 1, `${change} of ${name}: a readable key is lost`);
      else assert.ok(["corrupt", "wrong_password", "relay_changed"].includes(outcome.code), `${change} of ${name}: ${outcome.code}`);
      await tamper(page, "records.clear(); saved.forEach((bytes, name) => records.set(name, bytes));");
    }
    // All but a slot of another way in, which is not looked at.
    assert.ok(noticed >= names.length - 1, `${change}: ${noticed} of ${names.length}`);
    await page.context().close();
  }
});

test("swapped and rolled-back records are noticed", async (t) => {
  const page = await newPage(t);
  await stored(page);
  const found = (/** @type {string} */ password) =>
    page.evaluate(async (password) => {
      const vault = await kf.openVault({ relay: location.origin, worker: "dedicated" });
      await vault.unlock({ password });
      const keys = await vault.keys.list();
      const texts = await Promise.all(keys.map(({ id }) => vault.keys.reveal(id, password).then((bytes) => new TextDecoder().decode(bytes), (error) => error.code)));
      const { damaged } = vault.getSnapshot();
      vault.close();
      return { texts: texts.sort(), damaged: damaged.length, names: keys.map(({ name }) => name) };
    }, password);
  const secrets = `[...records.keys()].filter((name) => name.startsWith("6/"))`;
  await tamper(page, `globalThis.saved = new Map(records); const [a, b] = ${secrets}; const first = records.get(a); records.set(a, records.get(b)); records.set(b, first);`);
  const swapped = await found(PASSWORD);
  assert.deepEqual(swapped.texts, ["corrupt", "corrupt"]);
  assert.equal(swapped.damaged, 2);

  await tamper(page, "records.clear(); saved.forEach((bytes, name) => records.set(name, bytes));");
  await page.evaluate(async (password) => {
    const vault = await kf.openVault({ relay: location.origin, worker: "dedicated" });
    await vault.unlock({ password });
    for (const { id, provider } of await vault.keys.list()) await vault.keys.update(id, { name: `renamed ${provider}` });
    vault.close();
  }, PASSWORD);
  await tamper(page, `const [name] = [...records.keys()].filter((name) => name.startsWith("5/")); records.set(name, saved.get(name));`);
  const rolledBack = await found(PASSWORD);
  assert.equal(rolledBack.damaged, 1);
  assert.ok(!rolledBack.names.some((name) => name === "OpenAI" || name === "Anthropic"), `an old name is back: ${rolledBack.names}`);
});

test("a password change killed at any point leaves the old or the new vault", async (t) => {
  const page = await newPage(t);
  await stored(page);
  const clean = await tamper(page, "globalThis.saved = new Map(records);");
  assert.ok(clean.length > 0);
  const outcomes = new Set();
  for (let operations = 1; ; operations++) {
    assert.ok(operations < 200, "the change ends");
    await tamper(page, "records.clear(); saved.forEach((bytes, name) => records.set(name, bytes));");
    await open(page, { workerUrl: "/probe.js" });
    await page.evaluate((password) => vault.unlock({ password }), PASSWORD);
    const worker = page.workers().at(-1);
    await worker?.evaluate((operations) => {
      let left = operations;
      const count = () => {
        if (--left === 0) self.close();
      };
      for (const name of /** @type {const} */ (["put", "delete", "clear", "get", "getAll"])) {
        const original = /** @type {any} */ (IDBObjectStore.prototype[name]);
        /** @type {any} */ (IDBObjectStore.prototype)[name] = function (/** @type {any[]} */ ...args) {
          const request = original.apply(this, args);
          count();
          return request;
        };
      }
    }, operations);
    const changed = await page.evaluate(async ([password, next]) => vault.changePassword(String(password), String(next)).then(() => true, (error) => error.code), [PASSWORD, NEXT]);
    await page.evaluate(() => vault.close());
    await open(page, { workerUrl: "/probe.js" });
    const opened = await page.evaluate(async ([password, next]) => {
      const tryOpen = async (/** @type {string | undefined} */ password) => vault.unlock({ password: String(password) }).then(() => vault.keys.list(), (error) => error.code);
      const [old, fresh] = [await tryOpen(password), await vault.lock().then(() => tryOpen(next))];
      vault.close();
      return { old: Array.isArray(old) ? old.length : old, fresh: Array.isArray(fresh) ? fresh.length : fresh };
    }, [PASSWORD, NEXT]);
    const which = opened.old === 2 ? "old" : "new";
    outcomes.add(which);
    assert.deepEqual(opened, which === "old" ? { old: 2, fresh: "wrong_password" } : { old: "wrong_password", fresh: 2 }, `after ${operations} operations`);
    if (changed === true) break;
    assert.equal(changed, "worker_failed");
  }
  assert.deepEqual(outcomes, new Set(["old", "new"]));
});

test("a tab that writes while another dies leaves no lock behind", async (t) => {
  const one = await newPage(t);
  await openWithKey(one, { workerUrl: "/probe.js" });
  const two = await tab(one);
  await open(two);
  await two.evaluate((password) => vault.unlock({ password }), PASSWORD);
  const [worker] = one.workers();
  await worker?.evaluate(() => {
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (...args) {
      self.close();
      return put.apply(this, args);
    };
  });
  void one.evaluate((key) => void vault.keys.add({ provider: "groq", key }).catch(() => undefined), "gsk_" + "c".repeat(52));
  await two.evaluate((key) => vault.keys.add({ provider: "anthropic", key }), SECOND);
  assert.ok((await two.evaluate(() => vault.keys.list())).some(({ provider }) => provider === "anthropic"));
});

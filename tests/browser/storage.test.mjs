// What storage does to a vault: full, gone, tampered with, cut off in the middle.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BOTH, HEADER, MANIFEST, SECOND_KEY, found, keep, restore, stored, tamper } from "./records.mjs";
import { OPENAI_KEY, PASSWORD, failure, open, openWithKey, useSite } from "./site.mjs";

const { page: newPage, tab } = useSite();
const NEXT = "a different horse battery staple";
const OPEN = `await kf.openVault({ relay: location.origin, worker: "dedicated" })`;

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
  const add = `await vault.keys.add({ provider: "anthropic", key: "${SECOND_KEY}" })`;
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

/** The names of records of a kind, in code for `tamper`. @param {number} kind */
const named = (kind) => `[...records.keys()].filter((name) => name.startsWith("${kind}/"))`;

test("swapped records are noticed", async (t) => {
  const page = await newPage(t);
  await stored(page);
  await tamper(page, `const [a, b] = ${named(6)}; const first = records.get(a); records.set(a, records.get(b)); records.set(b, first);`);
  const after = await found(page);
  assert.deepEqual(after.texts, ["corrupt", "corrupt"]);
  assert.equal(after.damaged?.length, 2);
});

test("a rolled-back record is noticed", async (t) => {
  const page = await newPage(t);
  await stored(page);
  await keep(page);
  await page.evaluate(async (password) => {
    const vault = await kf.openVault({ relay: location.origin, worker: "dedicated" });
    await vault.unlock({ password });
    for (const { id, provider } of await vault.keys.list()) await vault.keys.update(id, { name: `renamed ${provider}` });
    vault.close();
  }, PASSWORD);
  await tamper(page, `const [name] = ${named(5)}; records.set(name, saved.get(name));`);
  const after = await found(page);
  assert.deepEqual(after.damaged, ["rolled_back"]);
  assert.ok(after.names?.some((name) => name.startsWith("renamed")) && after.texts?.some((text) => BOTH.includes(text)), "the other key is readable");
  assert.ok(!after.names?.some((name) => name === "OpenAI" || name === "Anthropic"), `an old name is back: ${after.names}`);
});

test("a record of another vault is none of this one's, though the password is the same", async (t) => {
  const page = await newPage(t);
  await page.evaluate(
    async ([password, key]) => {
      const other = await kf.openVault({ relay: location.origin, worker: "dedicated", name: "other" });
      await other.create(String(password));
      await other.keys.add({ provider: "openai", key: String(key), name: "foreign" });
      other.close();
    },
    [PASSWORD, "sk-proj-" + "f".repeat(40)],
  );
  await tamper(page, `globalThis.foreign = new Map(records);`, "other");
  await stored(page);
  await keep(page);
  // In the place of this vault's own.
  for (const kind of [4, 5, 6]) {
    await tamper(page, `const [name] = ${named(kind)}; records.set(name, [...foreign].find(([other]) => other.startsWith("${kind}/"))[1]);`);
    const after = await found(page);
    assert.deepEqual(after.damaged?.length, 1, `kind ${kind}`);
    assert.equal(after.texts?.filter((text) => BOTH.includes(text)).length, kind === 4 ? 2 : 1, `kind ${kind}`);
    assert.ok(!after.names?.includes("foreign"));
    await restore(page);
  }
  // Beside them.
  await tamper(page, `foreign.forEach((bytes, name) => /^[56]/.test(name) && records.set(name, bytes));`);
  const beside = await found(page);
  assert.deepEqual(beside.texts, BOTH);
  assert.ok(!beside.names?.includes("foreign"));
  await restore(page);
  // Its list of records, and its way in.
  await tamper(page, `records.set("${MANIFEST}", foreign.get("${MANIFEST}"));`);
  assert.deepEqual(await found(page), { code: "corrupt" });
  await restore(page);
  await tamper(page, `const slots = (of) => [...of.keys()].filter((name) => name.startsWith("3/")); slots(records).forEach((name) => records.delete(name)); slots(foreign).forEach((name) => records.set(name, foreign.get(name)));`);
  assert.deepEqual(await found(page), { code: "wrong_password" });
  await restore(page);
  assert.deepEqual((await found(page)).texts, BOTH, "nothing was lost by all this");
});

test("what a newer version wrote is future_version, and left as it is", async (t) => {
  const page = await newPage(t);
  await stored(page);
  await keep(page);
  /** A record with another format version. @param {string} name @param {number} at where its version's low byte is */
  const raised = (name, at) => tamper(page, `const bytes = records.get(${name}).slice(); bytes[${at}] = 2; records.set(${name}, bytes);`);
  await raised(`"${HEADER}"`, 9);
  assert.deepEqual(await found(page), { code: "future_version" });
  await restore(page);
  await raised(`"${MANIFEST}"`, 1);
  assert.deepEqual(await found(page), { code: "future_version" });
  await restore(page);
  await tamper(page, `${named(3)}.forEach((name) => { const bytes = records.get(name).slice(); bytes[1] = 2; records.set(name, bytes); });`);
  assert.deepEqual(await found(page), { code: "future_version" });
  await restore(page);
  for (const kind of [5, 6]) {
    await raised(`${named(kind)}[0]`, 1);
    const after = await found(page);
    assert.equal(after.damaged?.length, 1, `kind ${kind}`);
    assert.equal(after.texts?.filter((text) => BOTH.includes(text)).length, 1, "the other key is readable");
    await restore(page);
  }
  assert.deepEqual((await found(page)).texts, BOTH, "nothing was changed by looking");
});

test("a damaged key is told and can be removed; only then is the vault key changed", async (t) => {
  const page = await newPage(t);
  await stored(page);
  await tamper(page, `const [name] = ${named(6)}; records.set(name, records.get(name).slice(0, -1));`);
  await open(page);
  const change = `await vault.changePassword(${JSON.stringify(PASSWORD)}, ${JSON.stringify(NEXT)})`;
  await page.evaluate((password) => vault.unlock({ password }), PASSWORD);
  assert.equal((await failure(page, change))?.code, "corrupt", "a key that cannot be read is not lost silently");
  // Which one it is shows when they are used.
  await page.evaluate(async (password) => {
    for (const { id } of await vault.keys.list()) await vault.keys.reveal(id, password).catch(() => undefined);
  }, PASSWORD);
  const damaged = await page.evaluate(() => vault.getSnapshot().damaged);
  assert.equal(damaged.length, 1);
  await page.evaluate((id) => vault.keys.remove(String(id)), damaged[0]?.id);
  assert.equal(await failure(page, change), null);
  await page.evaluate(() => vault.close());
  const after = await found(page, NEXT);
  assert.deepEqual([after.texts?.length, after.damaged], [1, []]);
});

test("a connection that is lost in the middle of a write changes nothing, and the next call has another", async (t) => {
  const page = await newPage(t);
  await openWithKey(page, { workerUrl: "/probe.js" });
  const [worker] = page.workers();
  // As WebKit does it: the transaction is aborted, the connection closed, and only then told.
  await worker?.evaluate(() => {
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (...args) {
      IDBObjectStore.prototype.put = put;
      const request = put.apply(this, args);
      const { db } = this.transaction;
      this.transaction.abort();
      db.close();
      db.dispatchEvent(new Event("close"));
      return request;
    };
  });
  const add = `await vault.keys.add({ provider: "anthropic", key: "${SECOND_KEY}" })`;
  const lost = await failure(page, add);
  assert.equal(lost?.code, "storage_failed");
  assert.equal((await page.evaluate(() => vault.keys.list())).length, 1, "and what is in memory is what is stored");
  assert.equal(await failure(page, add), null);
  await page.evaluate(() => vault.close());
  assert.deepEqual((await found(page)).texts, BOTH);
});

test("a database deleted under a locked vault leaves none, and under a writing one is storage_lost", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const deleted = () => page.evaluate(() => new Promise((resolve) => (indexedDB.deleteDatabase("keyferry:default").onsuccess = resolve)));
  await deleted();
  assert.equal((await failure(page, `await vault.keys.add({ provider: "anthropic", key: "${SECOND_KEY}" })`))?.code, "storage_lost");
  await page.evaluate(() => vault.close());
  await open(page);
  assert.equal(await page.evaluate(() => vault.state), "empty");
  await page.evaluate(async (password) => {
    await vault.create(password);
    await vault.lock();
  }, PASSWORD);
  await deleted();
  const code = (await failure(page, `await vault.unlock({ password: ${JSON.stringify(PASSWORD)} })`))?.code;
  assert.ok(code === "no_vault" || code === "storage_lost", String(code));
});

test("the browser is asked to keep the vault once there is one, and its answer is shown", async (t) => {
  for (const answer of [true, false]) {
    const page = await newPage(t);
    await page.evaluate((answer) => {
      let asked = 0;
      const storage = { persisted: async () => false, persist: async () => (asked++, answer) };
      Object.defineProperty(navigator, "storage", { get: () => storage });
      Object.assign(globalThis, { asked: () => asked });
    }, answer);
    await open(page);
    assert.equal(await page.evaluate("asked()"), 0, "not before there is something to keep");
    await page.evaluate((password) => vault.create(password), PASSWORD);
    await page.waitForFunction((answer) => vault.getSnapshot().persisted === answer, answer);
    assert.equal(await page.evaluate("asked()"), 1);
    await page.context().close();
  }
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
  await two.evaluate((key) => vault.keys.add({ provider: "anthropic", key }), SECOND_KEY);
  assert.ok((await two.evaluate(() => vault.keys.list())).some(({ provider }) => provider === "anthropic"));
});

// Where secrets must not be: at rest, in the heaps after a lock, in what pages are sent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { derivedKeys } from "../support/derived.mjs";
import { buffers, heaps } from "../support/heap.mjs";
import { KEEPING } from "../support/keeping.mjs";
import { dump } from "./records.mjs";
import { OPENAI_KEY, PASSWORD, open, useSite } from "./site.mjs";

/** @typedef {import("playwright-core").Page} Page */

const { site, page: newPage, tab } = useSite();
const CHAT = "/providers/openai/v1/chat/completions";
const NEXT = "a different horse battery staple";
const FILE_PASSWORD = "for the backup alone, and long";
const ENV_KEY = "sk-ant-api03-" + "canary9876543210".repeat(4);

/** As numbers, so that no string of a secret comes into the page from outside. @param {string} text */
const codes = (text) => [...Buffer.from(text)];

/**
 * Creates a vault, adds a key, uses it: all with bytes, which are the caller's to wipe. Gives the recovery code.
 * @param {Page} page @param {object} [options]
 */
async function useVault(page, options = {}) {
  await open(page, options);
  return page.evaluate(
    async ([password, key, path]) => {
      const typed = new Uint8Array(/** @type {number[]} */ (password));
      const pasted = new Uint8Array(/** @type {number[]} */ (key));
      const { recoveryCode } = await vault.create(typed);
      await vault.keys.add({ provider: "openai", key: pasted, name: "canary-name" });
      typed.fill(0);
      pasted.fill(0);
      const response = await vault.fetch(location.origin + path, { method: "POST", body: "{}" });
      await response.text();
      await vault.keys.list();
      return recoveryCode;
    },
    /** @type {const} */ ([codes(PASSWORD), codes(OPENAI_KEY), CHAT]),
  );
}

test("at rest there is neither secret nor metadata", async (t) => {
  const page = await newPage(t);
  await useVault(page);
  const stored = await page.evaluate(async () => {
    /** @type {unknown[]} */
    const found = [Object.entries(localStorage), Object.entries(sessionStorage), await caches.keys()];
    /** @param {IDBRequest} request @returns {Promise<any>} */
    const done = (request) =>
      new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const printable = (/** @type {any} */ value) => {
      if (value instanceof ArrayBuffer) value = new Uint8Array(value);
      return ArrayBuffer.isView(value) ? String.fromCharCode(.../** @type {Uint8Array} */ (value)) : JSON.stringify(value);
    };
    let records = 0;
    for (const { name = "" } of await indexedDB.databases()) {
      const database = await done(indexedDB.open(name));
      for (const store of database.objectStoreNames) {
        const objects = database.transaction(store).objectStore(store);
        const [keys, values] = [await done(objects.getAllKeys()), await done(database.transaction(store).objectStore(store).getAll())];
        records += values.length;
        found.push(name, store, keys.map(printable), values.map(printable));
      }
      database.close();
    }
    return { records, text: found.flat(3).join("\n") };
  });
  assert.ok(stored.records >= 5, "the dump holds the vault");
  const { preview = "" } = (await page.evaluate(() => vault.keys.list()))[0] ?? {};
  assert.ok(preview.length > 0);
  for (const canary of [OPENAI_KEY.slice(8, 24), PASSWORD, "canary-name", "openai", preview.slice(0, 4), preview.slice(-4)]) {
    assert.ok(!stored.text.includes(canary), `found ${canary}`);
    assert.ok(!stored.text.includes([...canary].join("\0")), `found ${canary} in UTF-16`);
  }
});

test("after a lock neither heap holds a key or a password", async (t) => {
  const page = await newPage(t);
  await useVault(page);
  const control = "control-" + Math.random();
  await page.evaluate((control) => void Object.assign(globalThis, { control: [control] }), control);
  await page.evaluate(() => vault.lock());
  const found = await heaps(browserOf(page), [site.origin]);
  assert.deepEqual(found.map(([kind]) => kind).sort(), ["page", "worker"]);
  assert.ok(found.some(([, text]) => text.includes(control)), "a snapshot shows strings");
  assert.ok(found.some(([kind, text]) => kind === "worker" && text.includes("keyferry")), "the worker's too");
  for (const [kind, text] of found) {
    assert.ok(!text.includes(OPENAI_KEY.slice(8, 24)), `the heap of the ${kind} holds a key`);
    assert.ok(!text.includes(PASSWORD), `the heap of the ${kind} holds a password`);
  }
});

test("no bytes of a secret, given or derived, outlive their call outside of the module, nor a lock inside", async (t) => {
  const page = await newPage(t, "/other");
  await page.addInitScript(KEEPING);
  await page.goto(`${site.origin}/`);
  await page.waitForFunction("globalThis.ready");
  await enrolPasskeysWithoutAsking(page);
  const recoveryCode = await useVault(page, { workerUrl: "/keeping.js" });
  const first = await dump(page);
  const renewed = await everyOperationWithSecrets(page, recoveryCode);
  const last = await dump(page);

  const control = "control-" + Math.random();
  const [worker] = page.workers();
  const planted = (/** @type {number[]} */ control) => void Object.assign(globalThis, { control: new Uint8Array(control) });
  await page.evaluate(planted, codes(control));
  await worker?.evaluate(planted, codes(control));
  const secrets = {
    control: Buffer.from(control),
    "provider key": Buffer.from(OPENAI_KEY),
    "imported key": Buffer.from(ENV_KEY),
    "file's password": Buffer.from(FILE_PASSWORD),
    ...prefixed("first", { ...derivedKeys(first, "recovery", recoveryCode), ...derivedKeys(first, "password", PASSWORD) }),
    ...prefixed("last", { ...derivedKeys(last, "recovery", renewed), ...derivedKeys(last, "password", NEXT) }),
  };
  const look = async () => {
    const held = await buffers(browserOf(page), [site.origin], secrets);
    return Object.fromEntries(held.map(({ kind, outside, inside }) => [kind, { outside, inside }]));
  };
  const opened = await look();
  assert.deepEqual(opened.page, { outside: ["control"], inside: [] });
  assert.deepEqual(opened.worker?.outside, ["control"]);
  assert.ok(opened.worker?.inside.includes("last metadata key"), `the keys searched for are the vault's: ${opened.worker?.inside}`);
  const given = await worker?.evaluate(() => [.../** @type {any} */ (globalThis).given].map((bytes) => bytes.some((/** @type {number} */ byte) => byte !== 0)));
  assert.ok(given && given.length >= 20, "the arguments were seen");
  assert.ok(!given.includes(true), "bytes in a call's arguments are wiped after it, however deep");

  await page.evaluate(() => vault.lock());
  assert.deepEqual(await look(), { page: { outside: ["control"], inside: [] }, worker: { outside: ["control"], inside: [] } });
});

/** @param {Page} page */
async function enrolPasskeysWithoutAsking(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("WebAuthn.enable");
  const kind = /** @type {const} */ ({ protocol: "ctap2", ctap2Version: "ctap2_1", transport: "internal" });
  const able = { hasResidentKey: true, hasUserVerification: true, hasPrf: true, isUserVerified: true, automaticPresenceSimulation: true };
  await session.send("WebAuthn.addVirtualAuthenticator", { options: { ...kind, ...able } });
}

/** Whatever takes a secret or gives one, wrong ones included. Gives the last recovery code. @param {Page} page @param {string} recoveryCode */
function everyOperationWithSecrets(page, recoveryCode) {
  return page.evaluate(
    async ({ recoveryCode, ...secrets }) => {
      /** @type {Uint8Array[]} */
      const own = [];
      const bytes = (/** @type {number[]} */ codes) => {
        const array = new Uint8Array(codes);
        own.push(array);
        return array;
      };
      const refused = (/** @type {Promise<unknown>} */ call) => call.then(() => Promise.reject(new Error("it was let through")), () => undefined);
      const { password, next, filePassword, env } = secrets;
      const typed = () => bytes(password);
      await vault.passkeys.add(typed(), "Laptop");
      const [key] = await vault.keys.list();
      own.push(await vault.keys.reveal(String(key?.id), typed()));
      await refused(vault.keys.reveal(String(key?.id), bytes(next)));
      await refused(vault.keys.add({ provider: "nobody", key: bytes(env) }));
      await vault.keys.importEnv(/** @type {any} */ (bytes(env)));
      await vault.settings({ password: typed(), autoLockMinutes: 20 });
      await vault.lock();
      await vault.unlock({ recoveryCode });
      await vault.lock();
      await vault.unlock({ passkey: true });
      await vault.lock();
      await refused(vault.unlock({ password: bytes(next) }));
      await vault.unlock({ password: typed() });
      await refused(vault.import(new Uint8Array(500), bytes(filePassword)));
      const renewed = await vault.changePassword(typed(), bytes(next), { passkeys: "keep" });
      for (const array of own) array.fill(0);
      return renewed.recoveryCode;
    },
    { recoveryCode, password: codes(PASSWORD), next: codes(NEXT), filePassword: codes(FILE_PASSWORD), env: codes(`ANTHROPIC_API_KEY=${ENV_KEY}`) },
  );
}

/** @param {string} prefix @param {Record<string, Uint8Array>} secrets */
const prefixed = (prefix, secrets) => Object.fromEntries(Object.entries(secrets).map(([name, bytes]) => [`${prefix} ${name}`, bytes]));

test("no message to a page holds a key", async (t) => {
  const page = await newPage(t, "/other");
  await page.evaluate(() => {
    const heard = /** @type {string[]} */ ([]);
    Object.assign(globalThis, { heard });
    const { set } = /** @type {any} */ (Object.getOwnPropertyDescriptor(MessagePort.prototype, "onmessage"));
    Object.defineProperty(MessagePort.prototype, "onmessage", {
      set(handler) {
        set.call(this, (/** @type {MessageEvent} */ event) => {
          heard.push(JSON.stringify(event.data, (_, value) => (ArrayBuffer.isView(value) ? String.fromCharCode(.../** @type {Uint8Array} */ (value)) : value)));
          handler.call(this, event);
        });
      },
    });
  });
  await page.evaluate(async () => void Object.assign(globalThis, { kf: await import(String("/keyferry/index.js")) }));
  await useVault(page);
  const heard = /** @type {string[]} */ (await page.evaluate("heard"));
  assert.ok(heard.some((text) => text.includes('"head"')) && heard.some((text) => text.includes("canary-name")));
  assert.deepEqual(heard.filter((text) => text.includes(OPENAI_KEY.slice(8, 24)) || text.includes(PASSWORD)), []);
});

test("another page of the origin finds nothing by itself", async (t) => {
  const page = await newPage(t);
  await useVault(page, { worker: "shared" });
  const other = await tab(page, "/other");
  const messages = await other.evaluate(async () => {
    /** @type {unknown[]} */
    const heard = [];
    const channel = new BroadcastChannel("keyferry:default");
    channel.onmessage = ({ data }) => void heard.push(data);
    const { port } = new SharedWorker("/keyferry/worker.js", /** @type {any} */ ({ name: "keyferry:default", extendedLifetime: true }));
    port.onmessage = ({ data }) => void heard.push(data);
    port.postMessage({ t: "call", id: 1, op: "keysList", args: {} });
    port.postMessage({ t: "fetch", id: 2, request: { url: "https://api.openai.com/v1/models", method: "GET", headers: [], body: null } });
    await new Promise((resolve) => setTimeout(resolve, 500));
    return heard;
  });
  assert.deepEqual(messages, []);
});

/** @param {Page} page */
function browserOf(page) {
  const browser = page.context().browser();
  if (!browser) throw new Error("The page has no browser.");
  return browser;
}

// Where secrets must not be: at rest, in the heaps after a lock, in what pages are sent.

import assert from "node:assert/strict";
import { test } from "node:test";
import { OPENAI_KEY, PASSWORD, open, useSite } from "./site.mjs";

/** @typedef {import("playwright-core").Page} Page */

const { page: newPage, tab } = useSite();
const CHAT = "/providers/openai/v1/chat/completions";

/** As numbers, so that no string of a secret comes into the page from outside. @param {string} text */
const codes = (text) => [...Buffer.from(text)];

/** Creates a vault, adds a key, uses it: all with bytes. @param {Page} page @param {object} [options] */
async function useVault(page, options = {}) {
  await open(page, options);
  await page.evaluate(
    async ([password, key, path]) => {
      await vault.create(new Uint8Array(/** @type {number[]} */ (password)));
      await vault.keys.add({ provider: "openai", key: new Uint8Array(/** @type {number[]} */ (key)), name: "canary-name" });
      const response = await vault.fetch(location.origin + path, { method: "POST", body: "{}" });
      await response.text();
      await vault.keys.list();
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
  const heaps = await heapSnapshots(page);
  assert.equal(heaps.length, 2, "page and worker");
  assert.ok(heaps[0]?.includes(control), "the snapshot shows strings");
  assert.ok(heaps[1]?.includes("keyferry"), "the worker's too");
  for (const heap of heaps) {
    assert.ok(!heap.includes(OPENAI_KEY.slice(8, 24)), "a key");
    assert.ok(!heap.includes(PASSWORD), "a password");
  }
});

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

/** Heap snapshots of the page and of its dedicated workers, as text. @param {Page} page @returns {Promise<string[]>} */
async function heapSnapshots(page) {
  const session = await page.context().newCDPSession(page);
  /** @type {string[]} */
  const workers = [];
  session.on("Target.attachedToTarget", ({ sessionId }) => void workers.push(sessionId));
  await session.send("Target.setAutoAttach", { autoAttach: true, waitForDebuggerOnStart: false });
  let own = "";
  session.on("HeapProfiler.addHeapSnapshotChunk", ({ chunk }) => void (own += chunk));
  await session.send("HeapProfiler.takeHeapSnapshot", {});
  const heaps = [own];
  for (const sessionId of workers) heaps.push(await workerSnapshot(session, sessionId));
  return heaps;
}

/** @param {import("playwright-core").CDPSession} session @param {string} sessionId @returns {Promise<string>} */
function workerSnapshot(session, sessionId) {
  let heap = "";
  return new Promise((resolve, reject) => {
    session.on("Target.receivedMessageFromTarget", (event) => {
      if (event.sessionId !== sessionId) return;
      const message = JSON.parse(event.message);
      if (message.method === "HeapProfiler.addHeapSnapshotChunk") heap += message.params.chunk;
      else if (message.error) reject(new Error(message.error.message));
      else if (message.id === 1) resolve(heap);
    });
    const message = JSON.stringify({ id: 1, method: "HeapProfiler.takeHeapSnapshot", params: {} });
    session.send("Target.sendMessageToTarget", { sessionId, message }).catch(reject);
  });
}

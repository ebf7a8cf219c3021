// The first-use flow with keys that occur nowhere else, at the loudest log level; afterwards they are
// searched for wherever a copy could have stayed.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { buffers, heaps } from "../support/heap.mjs";
import { KEEPING, keepingSite } from "../support/keeping.mjs";
import { PASSWORD, addKey, chat, createVault, state, vaultFrame } from "../support/page.mjs";
import { CANARY, leaked, startStack, windows } from "../support/stack.mjs";

/** @type {Awaited<ReturnType<typeof startStack>>} */
let stack;
/** @type {Awaited<ReturnType<typeof keepingSite>>} */
let site;
/** @type {import("playwright-core").Page} */
let page;
/** @type {string} */
let recoveryCode;

const KEYS = [CANARY.openai, CANARY.anthropic];
const NAME = "Quokka budget key";

before(async () => {
  site = await keepingSite();
  stack = await startStack({ standin: { keys: KEYS }, relay: { log: "trace", site: site.folder } });
  ({ page } = await stack.open(KEEPING));
  recoveryCode = await createVault(page);
  await addKey(page, "openai", CANARY.openai, NAME);
  await addKey(page, "anthropic", CANARY.anthropic);
  await chat(page, "openai");
  await chat(page, "anthropic");
  // A refusal, an unknown provider and a bad path also pass through the logs.
  for (const path of ["/providers/openai/v1/nowhere", "/providers/nobody/v1/models", "/providers/openai/%2e%2e/x"]) {
    await fetch(stack.relay.origin + path, { headers: { "x-byok-key": CANARY.openai } });
  }
  await fetch(`${stack.relay.origin}/providers/openai/v1/models?key=${CANARY.openai}`);
});
after(async () => {
  await stack?.stop();
  await site?.remove();
});

/** Fails when any run of 8 secret characters of a canary is in `text`. @param {string} where @param {string} text */
function clean(where, text) {
  for (const secret of [...KEYS, PASSWORD.replaceAll(" ", "_")]) {
    assert.equal(leaked(text, secret), undefined, `${where} holds part of a secret`);
  }
  assert.ok(!text.includes(PASSWORD), `${where} holds the password`);
  assert.ok(!text.includes(recoveryCode), `${where} holds the recovery code`);
}

test("the search itself finds a key that is there", () => {
  for (const key of KEYS) {
    assert.ok(windows(key).length > 20);
    assert.ok(leaked(`x${key.slice(-12)}y`, key));
    assert.equal(leaked("Bearer sk-proj- sk-ant-api03- [redacted]", key), undefined);
  }
});

test("the relay's log at trace level holds no key", () => {
  const logs = stack.relay.logs();
  assert.match(logs, /providers/, "the log was written at all");
  clean("the log", logs);
});

test("the provider saw each key in its auth header and nowhere else", () => {
  // Two answers at all prove that the keys arrived: this stand-in refuses any other. Its journal
  // leaves the auth headers out by itself, so whatever it shows of a key came by another way.
  const journal = stack.standin.getRequests();
  assert.equal(journal.filter((entry) => entry.response.status === 200).length, 2);
  clean("the provider's journal", JSON.stringify(journal));
  for (const entry of journal) {
    assert.deepEqual(Object.keys(entry.headers).filter((name) => name.startsWith("x-byok")), []);
  }
});

test("IndexedDB, storage and caches hold no key, provider, key name or preview", async () => {
  const vault = await vaultFrame(page);
  const stored = (await vault.evaluate(dumpStorage)) + (await page.evaluate(dumpStorage));
  assert.ok(stored.length > 500, "there is something stored");
  clean("storage", stored);
  for (const word of ["openai", "anthropic", NAME, CANARY.openai.slice(0, 12), CANARY.openai.slice(-4)]) {
    assert.ok(!stored.includes(word), `storage shows "${word}"`);
  }
});

test("after lock, neither page nor frame nor worker holds a key or the password", async () => {
  await page.getByTestId("lock-button").click();
  await state(page, "locked");
  const found = await heaps(stack.browser, [stack.relay.origin, stack.relay.vault]);
  assert.ok(found.some(([kind]) => kind.includes("worker")), "the worker was looked into");
  assert.ok(found.some(([kind]) => kind === "iframe"), "the frame was looked into, in its own process");
  for (const [kind, strings] of found) clean(`the heap of ${kind}`, strings);
  const secrets = Object.fromEntries([...KEYS.map((key) => key.slice(-24)), PASSWORD].map((secret) => [secret, Buffer.from(secret)]));
  const held = await buffers(stack.browser, [stack.relay.origin, stack.relay.vault], secrets);
  assert.deepEqual(held.map(({ kind }) => kind).sort(), found.map(([kind]) => kind).sort());
  for (const { kind, outside, inside } of held) assert.deepEqual({ outside, inside }, { outside: [], inside: [] }, `bytes of ${kind}`);
  // What is typed passes through the frame, which moves it to the worker.
  for (const type of ["iframe", "worker"]) {
    assert.ok(held.some(({ kind, arrays }) => kind.includes(type) && arrays > 0), `arrays of the ${type} were looked through`);
  }
});

/** Everything this origin stores, as text in which bytes stand as Latin-1. */
async function dumpStorage() {
  const show = (/** @type {unknown} */ value) => {
    /** @type {(v: unknown) => string} */
    const walk = (v) => {
      if (v instanceof ArrayBuffer) return walk(new Uint8Array(v));
      if (ArrayBuffer.isView(v)) {
        return String.fromCharCode(...new Uint8Array(v.buffer, v.byteOffset, v.byteLength));
      }
      if (v && typeof v === "object") return Object.entries(v).map(([k, x]) => `${k}=${walk(x)}`).join(";");
      return String(v);
    };
    return walk(value);
  };
  const wait = (/** @type {IDBRequest} */ request) =>
    new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  let text = JSON.stringify([{ ...localStorage }, { ...sessionStorage }, await caches.keys()]);
  for (const { name } of await indexedDB.databases()) {
    if (!name) continue;
    const database = await wait(indexedDB.open(name));
    for (const store of database.objectStoreNames) {
      const open = database.transaction(store).objectStore(store);
      const [keys, values] = await Promise.all([wait(open.getAllKeys()), wait(open.getAll())]);
      text += `\n${name}/${store}: ${show(keys)} ${show(values)}`;
    }
    database.close();
  }
  return text;
}

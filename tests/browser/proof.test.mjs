/// <reference path="./globals.d.ts" />
// What script that holds the owner's port to an open vault, and not its password, can get: nothing that is a key, sealed
// or not, and no way in. Goes over every operation there is; a new one has to be put into one of the two lists.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { OPENAI_KEY, PASSWORD, openWithKey, useSite } from "./site.mjs";

const { site, page: newPage } = useSite();
const FILE_PASSWORD = "a password of the attacker's own";
const NEXT = "another good password";
const WRONG = "not the password at all";

/** @typedef {import("playwright-core").Page} Page */
/** Arguments as the test writes them: bytes as text behind a mark, so that they can be sent to the page. @typedef {Record<string, unknown>} Args */
/** @typedef {{ ok: boolean, code?: string, text: string, bytes: string[] }} Outcome what came back, and where in it there were bytes */

const bytes = (/** @type {string} */ text) => `bytes:${text}`;
const passkey = { credentialId: bytes("credential of a key"), prf: bytes("p".repeat(32)) };

/**
 * Operations that give out keys, make ways in, or move the vault: each asks for the vault's secret. `args` are right but for
 * that, `secret` is where it belongs.
 * @type {Record<string, { secret: string, args: (facts: { id: string, passkey: string }) => Args, locked?: boolean, moves?: boolean }>}
 */
const PROVING = {
  unlock: { secret: "password", args: () => ({}) },
  repair: { secret: "password", args: () => ({}), locked: true },
  changePassword: { secret: "old", args: () => ({ next: bytes(NEXT), passkeys: [] }) },
  recoveryRenew: { secret: "password", args: () => ({ passkeys: [] }) },
  passkeysAdd: { secret: "password", args: () => ({ ...passkey, credentialId: bytes("another"), prfSalt: bytes("s".repeat(32)), name: "x" }) },
  passkeysRemove: { secret: "password", args: ({ passkey }) => ({ id: passkey, passkeys: [] }) },
  keysReveal: { secret: "password", args: ({ id }) => ({ id }) },
  exportBackup: { secret: "password", args: () => ({ filePassword: bytes(FILE_PASSWORD) }) },
  rebind: { secret: "password", args: () => ({ relay: "https://elsewhere.example/", passkeys: [] }) },
  settings: { secret: "password", args: () => ({ autoLockMinutes: 1440, lockOnHide: false }) },
};

/**
 * The others, with arguments that are right. They may do what they are for; what they give holds no key and no bytes but
 * those named, and the ways in are what they were.
 * @type {Record<string, { args: (facts: { id: string, file: string }) => Args, bytes?: string[], refused?: string, destroys?: boolean }>}
 */
const FREE = {
  create: { args: () => ({ password: bytes(NEXT) }), refused: "vault_exists" },
  touch: { args: () => ({}) },
  // Inputs of the ceremony, worth nothing without the authenticator.
  passkeyRequest: { args: () => ({}), bytes: ["userId", "prfSalt", "passkeys.0.credentialId", "passkeys.0.prfSalt"] },
  passkeysList: { args: () => ({}), bytes: ["passkeys.0.credentialId", "passkeys.0.prfSalt"] },
  keysAdd: { args: () => ({ provider: "groq", key: bytes("gsk_" + "a".repeat(52)) }) },
  keysList: { args: () => ({}) },
  keysUpdate: { args: ({ id }) => ({ id, name: "renamed", dailyCapUsd: 1 }) },
  keysTest: { args: ({ id }) => ({ id }) },
  keysImportEnv: { args: () => ({ text: bytes("MISTRAL_API_KEY=0123456789abcdef0123456789abcdef") }) },
  // The password is the file's.
  importBackup: { args: ({ file }) => ({ file: `hex:${file}`, password: bytes(FILE_PASSWORD) }) },
  usage: { args: () => ({}) },
  audit: { args: () => ({ limit: 1000 }) },
  // A handle, good for five minutes at the relay: not the key.
  lease: { args: () => ({ provider: "openai" }) },
  keysRotate: { args: ({ id }) => ({ id, key: bytes(OPENAI_KEY + "new") }) },
  keysRemove: { args: ({ id }) => ({ id }) },
  lock: { args: () => ({}) },
  destroy: { args: () => ({}), destroys: true },
};

/** Keeps hold of the port that the client opens, for calls as a script makes them that goes past the client. @param {Page} page */
async function listening(page) {
  await page.evaluate(() => {
    const post = MessagePort.prototype.postMessage;
    MessagePort.prototype.postMessage = function (/** @type {any} */ message, /** @type {any} */ transfer) {
      if (message.t === "hello") Object.assign(globalThis, { ownerPort: this });
      return post.call(this, message, transfer);
    };
  });
}

/** Calls an operation over the owner's port. @param {Page} page @param {string} op @param {Args} args @returns {Promise<Outcome>} */
function call(page, op, args) {
  return page.evaluate(
    async ([op, args]) => {
      const encoder = new TextEncoder();
      /** @param {unknown} value @returns {unknown} */
      const decoded = (value) => {
        if (Array.isArray(value)) return value.map(decoded);
        if (typeof value === "object" && value) return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, decoded(inner)]));
        if (typeof value !== "string") return value;
        if (value.startsWith("bytes:")) return encoder.encode(value.slice(6));
        if (value.startsWith("hex:")) return Uint8Array.from(value.slice(4).match(/../g) ?? [], (pair) => parseInt(pair, 16));
        return value;
      };
      const port = /** @type {any} */ (globalThis).ownerPort;
      const id = Math.floor(1e9 + Math.random() * 1e9);
      /** @type {any} */
      const answer = await new Promise((resolve) => {
        /** @param {MessageEvent} event */
        const hear = ({ data }) => {
          if (data.id !== id || data.t === "wantToken") return;
          port.removeEventListener("message", hear);
          resolve(data);
        };
        port.addEventListener("message", hear);
        port.postMessage({ t: "call", id, op, args: decoded(args) });
      });
      /** @type {string[]} */
      const found = [];
      /** @param {unknown} value @param {string} path */
      const search = (value, path) => {
        if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof Blob) found.push(path);
        else if (typeof value === "object" && value) for (const [name, inner] of Object.entries(value)) search(inner, path ? `${path}.${name}` : name);
      };
      search(answer.value, "");
      return { ok: answer.t === "result", code: answer.failure?.code, text: JSON.stringify(answer), bytes: found };
    },
    /** @type {const} */ ([op, args]),
  );
}

/** The records that open the vault and say whose it is, as they lie at rest. @param {Page} page @returns {Promise<Record<string, string>>} */
function waysIn(page) {
  return page.evaluate(async () => {
    /** @param {IDBRequest} request @returns {Promise<any>} */
    const done = (request) => new Promise((resolve, reject) => ((request.onsuccess = () => resolve(request.result)), (request.onerror = () => reject(request.error))));
    const database = await done(indexedDB.open("keyferry:default"));
    const store = database.transaction("records").objectStore("records");
    const names = /** @type {string[]} */ (await done(store.getAllKeys())).filter((name) => /^[13]\//.test(name));
    const found = await Promise.all(names.map(async (name) => [name, [...(await done(store.get(name)))].join()]));
    database.close();
    return Object.fromEntries(found);
  });
}

/** An open vault with a key, a passkey and a backup of it, as script in its page finds it. @param {import("node:test").TestContext} t */
async function opened(t) {
  const page = await newPage(t);
  site.api = ({ path }, response) => {
    response.writeHead(path === "/v1/leases" ? 201 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify(path === "/v1/keys/test" ? { provider: "openai", verdict: "valid", latencyMs: 1 } : { id: "x", handle: "kfl_x.y", provider: "openai", expiresAt: 1 }));
  };
  await listening(page);
  await openWithKey(page);
  const added = await call(page, "passkeysAdd", { ...passkey, prfSalt: bytes("s".repeat(32)), name: "a key", password: bytes(PASSWORD) });
  assert.ok(added.ok, added.text);
  const facts = await page.evaluate(
    async ([filePassword, password]) => {
      const file = new Uint8Array(await (await vault.export(String(filePassword), String(password))).arrayBuffer());
      const [key] = await vault.keys.list();
      const [passkey] = await vault.passkeys.list();
      return { id: String(key?.id), passkey: String(passkey?.id), file: [...file].map((byte) => byte.toString(16).padStart(2, "0")).join("") };
    },
    [FILE_PASSWORD, PASSWORD],
  );
  return { page, facts };
}

/** Nothing of the key but what its preview shows. @param {Outcome} outcome */
function holdsNoKey({ text }) {
  for (let at = 4; at + 8 <= OPENAI_KEY.length - 4; at++) assert.ok(!text.includes(OPENAI_KEY.slice(at, at + 8)), text);
}

test("every operation is known to ask for the vault's secret, or not to need it", async () => {
  const table = await readFile(new URL("../../vault-wasm/js/src/ops.ts", import.meta.url), "utf8");
  const rules = /export const OPS[^{]*\{[^}]*\} = \{([^}]*)\};/.exec(table)?.[1] ?? "";
  const declared = [...rules.matchAll(/^ {2}(\w+):/gm)].map(([, name]) => name);
  assert.ok(declared.length > 20, rules);
  assert.deepEqual([...Object.keys(PROVING), ...Object.keys(FREE)].sort(), declared.sort());
});

for (const [op, { secret, args, locked }] of Object.entries(PROVING)) {
  test(`${op} asks for the vault's secret`, async (t) => {
    const { page, facts } = await opened(t);
    if (locked) await page.evaluate(() => vault.lock());
    const before = await waysIn(page);
    const settings = await call(page, "settings", {});
    const given = args(facts);
    // Without it, with none, with a wrong one, with the one that was chosen for a file.
    for (const typed of [undefined, "", WRONG, FILE_PASSWORD]) {
      const outcome = await call(page, op, typed === undefined ? given : { ...given, [secret]: bytes(typed) });
      if (op === "settings" && typed === undefined) {
        assert.equal(outcome.text.replace(/"id":\d+/, ""), settings.text.replace(/"id":\d+/, ""), "read, not changed");
      } else {
        assert.equal(outcome.ok, false, `${op} with ${typed}: ${outcome.text}`);
        assert.equal(outcome.code, typed === undefined ? "bad_argument" : "wrong_password", outcome.text);
      }
      assert.deepEqual(outcome.bytes, []);
      holdsNoKey(outcome);
    }
    assert.deepEqual(await waysIn(page), before);
    // It was that and nothing else: with the right one it does what it is for.
    const outcome = await call(page, op, { ...given, [secret]: bytes(PASSWORD) });
    assert.ok(outcome.ok, outcome.text);
  });
}

test("the other operations give out no key, nor anything it could be in, and leave the ways in alone", async (t) => {
  const { page, facts } = await opened(t);
  const before = await waysIn(page);
  for (const [op, { args, bytes = [], refused, destroys }] of Object.entries(FREE)) {
    const outcome = await call(page, op, args(facts));
    assert.equal(outcome.code, refused, outcome.text);
    assert.deepEqual(outcome.bytes.sort(), bytes.sort(), op);
    holdsNoKey(outcome);
    if (!destroys) assert.deepEqual(await waysIn(page), before, op);
  }
});

test("script after unlock gets no key into a vault of its own", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const code = await page.evaluate(async (mine) => {
    const file = await vault.export(mine, mine).catch((error) => error.code);
    const old = await /** @type {any} */ (vault).export(mine).catch((/** @type {any} */ error) => error.code);
    return [file, old, (await vault.settings()).exportedAt];
  }, FILE_PASSWORD);
  assert.deepEqual(code, ["wrong_password", "wrong_password", null]);
});

test("guessing stays slow through locks and backups", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const waited = await page.evaluate(
    async ([mine, wrong, password]) => {
      const file = await vault.export(String(mine), String(password));
      const [key] = await vault.keys.list();
      const reveal = () => vault.keys.reveal(String(key?.id), String(wrong));
      /** Whole seconds that a wrong guess took. @param {() => Promise<unknown>} attempt */
      const guess = async (attempt) => {
        const begun = performance.now();
        const code = await attempt().then(() => "right", (error) => error.code);
        if (code !== "wrong_password") throw new Error(code);
        return Math.floor((performance.now() - begun) / 1_000);
      };
      for (let i = 0; i < 3; i++) await guess(reveal);
      const waited = [await guess(reveal)];
      await vault.import(file, String(mine));
      waited.push(await guess(reveal));
      // Of what counted them nothing is left.
      await vault.lock();
      waited.push(await guess(() => vault.unlock({ password: String(wrong) })));
      return waited;
    },
    [FILE_PASSWORD, WRONG, PASSWORD],
  );
  assert.ok(waited.every((seconds, i) => seconds >= 2 ** i), String(waited));
});

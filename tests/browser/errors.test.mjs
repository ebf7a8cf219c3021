// The closed list of error codes: the documentation has the same one, and each can be met.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, test } from "node:test";
import { HEADER, stored, tamper } from "./records.mjs";
import { OPENAI_KEY, PASSWORD, answerJson, failure, open, openWithKey, useSite } from "./site.mjs";

/** @typedef {import("playwright-core").Page} Page */

const { site, page: newPage } = useSite();
const OTHER_KEY = "sk-proj-" + "n".repeat(40);
/** A well-formed recovery code of no vault here: that of a vault made for it. @type {string} */
let foreignCode;

before(async () => {
  const source = await readFile(new URL("../../vault-wasm/js/src/errors.ts", import.meta.url), "utf8");
  const list = /ERROR_CODES = \[(.*?)\]/s.exec(source)?.[1] ?? "";
  codes = [...list.matchAll(/"(\w+)"/g)].map(([, code = ""]) => code);
});
/** @type {string[]} */
let codes;

/** @param {string} code JavaScript, run with `vault` open in the page */
const call = (code) => async (/** @type {Page} */ page) => (await failure(page, code))?.code;

/** The same on a stored vault whose records were changed. @param {string} change @param {string} [code] */
const damaged = (change, code = `await vault.unlock({ password: ${JSON.stringify(PASSWORD)} });`) => async (/** @type {Page} */ page) => {
  await stored(page);
  await tamper(page, `${change}`);
  return (await failure(page, `const vault = await kf.openVault({ relay: location.origin, worker: "dedicated" }); ${code}`))?.code;
};

/** The same with something in the worker failing. @param {() => void} sabotage @param {string} code */
const sabotaged = (sabotage, code) => async (/** @type {Page} */ page) => {
  await openWithKey(page, { workerUrl: "/probe.js" });
  await page.workers().at(-1)?.evaluate(sabotage);
  return (await failure(page, code))?.code;
};

const ADD = `await vault.keys.add({ provider: "openai", key: "${OTHER_KEY}", name: "another" })`;
const TEST = "await vault.keys.test((await vault.keys.list())[0].id)";
const OPEN = `const vault = await kf.openVault({ relay: location.origin, worker: "dedicated" });`;
const UNLOCK = `await vault.unlock({ password: ${JSON.stringify(PASSWORD)} });`;

/** What a request fails with on the port, of which a page sees a TypeError. */
const onThePort = (/** @type {object} */ message) => async (/** @type {Page} */ page) => {
  await openWithKey(page);
  site.api = () => undefined;
  return page.evaluate(
    (message) =>
      new Promise((resolve) => {
        const port = vault.share();
        port.onmessage = ({ data }) => {
          if (data.t === "welcome") port.postMessage(message);
          if (data.t === "failed") resolve(data.failure.code);
        };
        port.postMessage({ t: "hello", v: 1, name: "default", relay: location.origin + "/", wasm: "", life: null, capability: "use", token: false, hidden: false });
      }),
    message,
  );
};

/**
 * How each code is met. Those that begin with a vault get one with a key, open.
 * @type {Record<string, (page: Page) => Promise<unknown>>}
 */
const REACHED = {
  no_vault: call(`${OPEN} ${UNLOCK}`),
  worker_failed: call(`await kf.openVault({ relay: location.origin, worker: "dedicated", workerUrl: "/broken.js" })`),
  weak_password: call(`${OPEN} await vault.create("password")`),
  vault_exists: call(`${OPEN} await vault.create(${JSON.stringify(PASSWORD)}); await vault.create(${JSON.stringify(PASSWORD)})`),

  locked: withVault("await vault.lock(); await vault.keys.list()"),
  wrong_password: withVault(`await vault.lock(); await vault.unlock({ password: "not this one, surely" })`),
  bad_recovery_code: withVault(`await vault.lock(); await vault.unlock({ recoveryCode: "AAAAA-AAAAA-AAAAA-AAAAA-AAAAA-AAAAB" })`),
  wrong_recovery_code: async (page) => {
    foreignCode = await page.evaluate(async (password) => {
      const other = await kf.openVault({ relay: location.origin, worker: "dedicated", name: "other" });
      return (await other.create(password)).recoveryCode;
    }, PASSWORD);
    await openWithKey(page);
    return (await failure(page, `await vault.lock(); await vault.unlock({ recoveryCode: "${foreignCode}" })`))?.code;
  },
  wrong_passkey: async (page) => {
    const session = await page.context().newCDPSession(page);
    await session.send("WebAuthn.enable");
    await session.send("WebAuthn.addVirtualAuthenticator", {
      options: { protocol: "ctap2", ctap2Version: "ctap2_1", transport: "internal", hasResidentKey: true, hasUserVerification: true, hasPrf: true, isUserVerified: true, automaticPresenceSimulation: true },
    });
    await openWithKey(page);
    await page.evaluate(async (password) => {
      await vault.passkeys.add(password, "Laptop");
      vault.close();
    }, PASSWORD);
    // Another HKDF salt in the passkey's slot makes another key of the same PRF output.
    await tamper(page, `records.forEach((bytes, name) => { if (name.startsWith("3/") && bytes[11] === 3) { const changed = bytes.slice(); changed[17] ^= 1; records.set(name, changed); } });`);
    return (await failure(page, `${OPEN} await vault.unlock({ passkey: true })`))?.code;
  },
  passkey_failed: withVault("await vault.lock(); await vault.unlock({ passkey: true })"),
  bad_key_format: withVault(`await vault.keys.add({ provider: "openai", key: "  " })`),
  duplicate_key: withVault(`await vault.keys.add({ provider: "openai", key: "${OPENAI_KEY}", name: "again" })`),
  duplicate_name: withVault(`${ADD}; await vault.keys.add({ provider: "openai", key: "${OTHER_KEY}2", name: "another" })`),
  unknown_provider: withVault(`await vault.keys.add({ provider: "nobody", key: "${OTHER_KEY}" })`),
  not_found: withVault(`await vault.keys.remove("${"0".repeat(32)}")`),
  bad_argument: withVault(`await vault.keys.update((await vault.keys.list())[0].id, { name: " " })`),
  key_rejected: withVault(`await vault.keys.rotate((await vault.keys.list())[0].id, "${OTHER_KEY}")`, (_call, response) => {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ verdict: "invalid", latencyMs: 1 }));
  }),
  network: withVault(TEST, (_call, response) => void response.destroy()),
  relay_refused: withVault(TEST, (_call, response) => {
    response.writeHead(429, { "content-type": "application/problem+json", "x-byok-error": "rate_limited" }).end(JSON.stringify({ code: "rate_limited" }));
  }),
  relay_changed: async (page) => {
    await openWithKey(page);
    await page.evaluate(() => vault.close());
    return (await failure(page, `const vault = await kf.openVault({ relay: location.origin + "/elsewhere", worker: "dedicated" }); ${UNLOCK}`))?.code;
  },
  relay_downgraded: async (page) => {
    await openWithKey(page, { relayKey: Buffer.alloc(32, 7).toString("base64url") });
    return (await failure(page, TEST))?.code;
  },
  bad_backup: withVault(`await vault.import(new Blob(["this is no backup"]), ${JSON.stringify(PASSWORD)})`),
  forbidden: withVault(`const guest = await kf.openVault({ relay: location.origin, name: "guest", port: vault.share() }); await guest.keys.list()`),
  closed: withVault("vault.close(); await vault.keys.list()"),

  corrupt: damaged(`records.delete("${HEADER}")`, ""),
  future_version: damaged(`const bytes = records.get("${HEADER}").slice(); bytes[9] = 2; records.set("${HEADER}", bytes);`, UNLOCK),
  kdf_refused: damaged(`records.forEach((bytes, name) => { if (name.startsWith("3/") && bytes[11] === 1) { const changed = bytes.slice(); changed.set([0, 0, 0, 1], 13); records.set(name, changed); } });`),
  reload_required: async (page) => {
    await page.evaluate(() => new Promise((resolve) => {
      const request = indexedDB.open("keyferry:default", 7);
      request.onsuccess = () => resolve(request.result.close());
    }));
    return (await failure(page, OPEN))?.code;
  },
  storage_lost: withVault(`await new Promise((resolve) => (indexedDB.deleteDatabase("keyferry:default").onsuccess = resolve)); await vault.keys.list()`),
  quota: sabotaged(() => {
    IDBObjectStore.prototype.put = function () {
      throw new DOMException("full", "QuotaExceededError");
    };
  }, ADD),
  storage_failed: sabotaged(() => {
    IDBObjectStore.prototype.put = function () {
      throw new DOMException("broken", "UnknownError");
    };
  }, ADD),
  // Whenever the list of records is looked at, another tab has changed it.
  busy: sabotaged(() => {
    const guards = new WeakSet();
    const { get } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.get = function (name) {
      const request = get.call(this, name);
      if (String(name).startsWith("2/") && this.transaction.mode === "readwrite") guards.add(request);
      return request;
    };
    const result = /** @type {PropertyDescriptor} */ (Object.getOwnPropertyDescriptor(IDBRequest.prototype, "result"));
    Object.defineProperty(IDBRequest.prototype, "result", {
      get() {
        const value = result.get?.call(this);
        return guards.has(this) ? Uint8Array.from(value, (byte, at) => (at === 12 ? byte ^ 1 : byte)) : value;
      },
    });
  }, ADD),
  random_failed: sabotaged(() => {
    Crypto.prototype.getRandomValues = () => {
      throw new DOMException("none", "OperationError");
    };
  }, ADD),
  foreign_url: onThePort({ t: "fetch", id: 1, request: { url: "https://evil.example/", method: "GET", headers: [], body: null } }),
};

/** @param {string} code @param {import("./site.mjs").Api} [api] @returns {(page: Page) => Promise<unknown>} */
function withVault(code, api = answerJson) {
  return async (page) => {
    await openWithKey(page);
    site.api = api;
    return (await failure(page, code))?.code;
  };
}

test("the documentation has the same list, in one table", async () => {
  const text = await readFile(new URL("../../docs/format.md", import.meta.url), "utf8");
  const table = text.split("## Error codes")[1] ?? "";
  const documented = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, code]) => code);
  assert.deepEqual([...documented].sort(), [...codes].sort());
});

test("every code of the list is met below", () => {
  assert.deepEqual(Object.keys(REACHED).sort(), [...codes].sort());
});

test("where WebCrypto derives no key, the module derives the same one", async (t) => {
  const page = await newPage(t);
  await openWithKey(page, { workerUrl: "/probe.js" });
  await page.evaluate(() => vault.close());
  await open(page, { workerUrl: "/probe.js" });
  const asked = await page.workers().at(-1)?.evaluateHandle(() => {
    const asked = { times: 0 };
    SubtleCrypto.prototype.deriveBits = () => (asked.times++, Promise.reject(new DOMException("no", "OperationError")));
    return asked;
  });
  await page.evaluate((password) => vault.unlock({ password }), PASSWORD);
  assert.equal(await page.evaluate(() => vault.state), "unlocked");
  assert.equal(await asked?.evaluate(({ times }) => times), 1);
});

for (const [code, reach] of Object.entries(REACHED)) {
  test(`met: ${code}`, async (t) => {
    const page = await newPage(t);
    assert.equal(await reach(page), code);
  });
}

test("an app that gives no token gets one code for it, from the vault as from an upload", async (t) => {
  const page = await newPage(t);
  site.api = (call, response) => {
    const lease = { id: "l1", handle: "kfl_l1.test", provider: "openai", expiresAt: 4_102_444_800_000 };
    response.writeHead(201, { "content-type": "application/json" }).end(JSON.stringify(call.path === "/v1/leases" ? lease : {}));
  };
  const codes = await page.evaluate(async ([password, key]) => {
    let tokens = 0;
    const appToken = () => (--tokens < 0 ? Promise.reject(new Error("none")) : Promise.resolve("token"));
    const vault = await kf.openVault({ relay: location.origin, worker: "dedicated", appToken });
    await vault.create(String(password));
    await vault.keys.add({ provider: "openai", key: String(key) });
    const code = (/** @type {Promise<unknown>} */ call) => call.then(() => "none", (error) => error.code);
    const leased = await code(vault.lease({ provider: "openai" }));
    // One for the lease, none for the upload.
    tokens = 1;
    const file = new Blob(["sound"]);
    const job = vault.jobs.create({ kind: "transcription", provider: "openai", model: "whisper-1", file }, { onUploadProgress: () => undefined });
    return [leased, await code(job)];
  }, [PASSWORD, OPENAI_KEY]);
  assert.deepEqual(codes, ["network", "network"]);
  assert.ok(site.relayed.some(({ path }) => path === "/v1/leases"), "the lease was made");
  assert.ok(!site.relayed.some(({ path }) => path === "/v1/jobs"), "nothing was uploaded");
});

test("what met an error goes on working", async (t) => {
  const page = await newPage(t);
  await open(page);
  assert.equal((await failure(page, `await vault.create("short")`))?.field, "password");
  await page.evaluate((password) => vault.create(password), PASSWORD);
  assert.equal((await failure(page, `await vault.keys.add({ provider: "openai", key: "" })`))?.field, "key");
  await page.evaluate((key) => vault.keys.add({ provider: "openai", key }), OPENAI_KEY);
  assert.equal((await page.evaluate(() => vault.keys.list())).length, 1);
});

// Whatever replaces the vault key is killed after each of its storage operations: the old vault or the new one
// opens afterwards, never neither, and no key is lost.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BOTH, MANIFEST, found, keep, restore, stored, tamper } from "./records.mjs";
import { PASSWORD, open, useSite } from "./site.mjs";

/** @typedef {import("playwright-core").Page} Page */

const { page: newPage } = useSite();
const NEXT = "a different horse battery staple";

/** @param {Page} page */
async function authenticator(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("WebAuthn.enable");
  await session.send("WebAuthn.addVirtualAuthenticator", {
    options: { protocol: "ctap2", ctap2Version: "ctap2_1", transport: "internal", hasResidentKey: true, hasUserVerification: true, hasPrf: true, isUserVerified: true, automaticPresenceSimulation: true },
  });
}

/** A stored vault with two keys and a passkey; gives its recovery code. @param {Page} page */
async function prepared(page) {
  await authenticator(page);
  await stored(page);
  await open(page);
  const code = await page.evaluate(async (password) => {
    await vault.unlock({ password });
    await vault.passkeys.add(password, "Laptop");
    const { recoveryCode } = await vault.recovery.renew(password, { passkeys: "keep" });
    vault.close();
    return recoveryCode;
  }, PASSWORD);
  await keep(page);
  return code;
}

/** Which ways open the stored vault. @param {Page} page @param {string} code the recovery code it had */
function ways(page, code) {
  return page.evaluate(
    async ([password, next, code]) => {
      /** @param {Parameters<typeof vault.unlock>[0]} how */
      const opens = async (how) => {
        await vault.lock();
        return vault.unlock(how).then(() => true, (error) => error.code);
      };
      vault = await kf.openVault({ relay: location.origin, worker: "dedicated" });
      try {
        return {
          old: await opens({ password: String(password) }),
          next: await opens({ password: String(next) }),
          code: await opens({ recoveryCode: String(code) }),
          passkey: await opens({ passkey: true }),
        };
      } finally {
        vault.close();
      }
    },
    [PASSWORD, NEXT, code],
  );
}

/**
 * Ends the worker right after its nth storage operation: nothing it does to storage after that happens.
 * @param {Page} page @param {number} operations
 */
async function killAfter(page, operations) {
  await page.workers().at(-1)?.evaluate((operations) => {
    let left = operations;
    const gone = () => {
      throw new DOMException("killed", "AbortError");
    };
    /** @param {any} prototype @param {string} name @param {boolean} counts */
    const wrap = (prototype, name, counts) => {
      const original = prototype[name];
      prototype[name] = function (/** @type {any[]} */ ...args) {
        if (left <= 0) gone();
        const result = original.apply(this, args);
        if (counts && --left === 0) self.close();
        return result;
      };
    };
    for (const name of ["put", "delete", "clear", "get", "getAll", "getAllKeys"]) wrap(IDBObjectStore.prototype, name, true);
    for (const name of ["commit", "abort"]) wrap(IDBTransaction.prototype, name, false);
    wrap(IDBDatabase.prototype, "transaction", false);
  }, operations);
}

/** Whether the records are those that were kept. @param {Page} page */
async function untouched(page) {
  await tamper(page, `globalThis.same = records.size === saved.size && [...records].every(([name, bytes]) => String(bytes) === String(saved.get(name)));`);
  return page.evaluate("same");
}

/** @typedef {{ old: unknown, next: unknown, code: unknown, passkey: unknown }} Ways */
/** @type {Record<string, { run: string, done: Ways }>} */
const CHANGES = {
  "a password change": {
    run: `await vault.changePassword(${JSON.stringify(PASSWORD)}, ${JSON.stringify(NEXT)})`,
    done: { old: "wrong_password", next: true, code: "wrong_recovery_code", passkey: "passkey_failed" },
  },
  "a passkey's removal": {
    run: `await vault.passkeys.remove((await vault.passkeys.list())[0].id, ${JSON.stringify(PASSWORD)})`,
    done: { old: true, next: "wrong_password", code: "wrong_recovery_code", passkey: "passkey_failed" },
  },
  "a new recovery code": {
    run: `await vault.recovery.renew(${JSON.stringify(PASSWORD)})`,
    done: { old: true, next: "wrong_password", code: "wrong_recovery_code", passkey: "passkey_failed" },
  },
};

for (const [name, { run, done }] of Object.entries(CHANGES)) {
  test(`${name}, killed after each storage operation`, async (t) => {
    const page = await newPage(t);
    const code = await prepared(page);
    const before = { old: true, next: "wrong_password", code: true, passkey: true };
    const outcomes = new Set();
    for (let operations = 1; ; operations++) {
      assert.ok(operations < 200, "the change ends");
      await restore(page);
      await open(page, { workerUrl: "/probe.js" });
      await page.evaluate((password) => vault.unlock({ password }), PASSWORD);
      await killAfter(page, operations);
      const outcome = await page.evaluate(async (run) => {
        try {
          await new (Object.getPrototypeOf(async () => {}).constructor)(run)();
          return "done";
        } catch (error) {
          return /** @type {any} */ (error).code;
        } finally {
          vault.close();
        }
      }, run);
      // Byte for byte what it was is the old vault; one look at it through the front door is enough.
      if (operations === 1 || !(await untouched(page))) {
        const now = await ways(page, code);
        const which = JSON.stringify(now) === JSON.stringify(before) ? "old" : "new";
        outcomes.add(which);
        assert.deepEqual(now, which === "old" ? before : done, `after ${operations} operations`);
        const contents = await found(page, now.old === true ? PASSWORD : NEXT);
        assert.deepEqual([contents.texts, contents.damaged], [BOTH, []], `after ${operations} operations`);
      }
      if (outcome === "done") break;
      assert.equal(outcome, "worker_failed");
    }
    assert.deepEqual(outcomes, new Set(["old", "new"]));
  });
}

test("a repair, killed after each storage operation", async (t) => {
  const page = await newPage(t);
  const code = await prepared(page);
  await tamper(page, `records.delete("${MANIFEST}");`);
  await keep(page);
  const outcomes = new Set();
  for (let operations = 1; ; operations++) {
    assert.ok(operations < 200, "the repair ends");
    await restore(page);
    await open(page, { workerUrl: "/probe.js" });
    await killAfter(page, operations);
    const outcome = await page.evaluate(async (password) => {
      try {
        await vault.repair({ password });
        return "done";
      } catch (error) {
        return /** @type {any} */ (error).code;
      } finally {
        vault.close();
      }
    }, PASSWORD);
    if (await untouched(page)) {
      outcomes.add("damaged");
      if (operations === 1) assert.deepEqual(await found(page), { code: "corrupt" });
    } else {
      outcomes.add("repaired");
      assert.deepEqual(await ways(page, code), { old: true, next: "wrong_password", code: true, passkey: true }, `after ${operations} operations`);
      const contents = await found(page);
      assert.deepEqual([contents.texts, contents.damaged], [BOTH, []], `after ${operations} operations`);
    }
    if (outcome === "done") break;
    assert.equal(outcome, "worker_failed");
  }
  assert.deepEqual(outcomes, new Set(["damaged", "repaired"]));
});

test("a worker that is terminated while it writes leaves the old vault, and no lock behind", async (t) => {
  const page = await newPage(t);
  const code = await prepared(page);
  await page.evaluate(() => {
    const Original = Worker;
    // The page's own hand on the worker that the client starts.
    globalThis.Worker = /** @type {any} */ (function (/** @type {string} */ url, /** @type {WorkerOptions} */ options) {
      return Object.assign(globalThis, { worker: new Original(url, options) }).worker;
    });
  });
  await open(page, { workerUrl: "/probe.js" });
  await page.evaluate((password) => vault.unlock({ password }), PASSWORD);
  await page.workers().at(-1)?.evaluate(() => {
    const { put } = IDBObjectStore.prototype;
    let puts = 0;
    IDBObjectStore.prototype.put = function (...args) {
      const request = put.apply(this, args);
      if (++puts === 3) {
        new BroadcastChannel("stuck").postMessage(null);
        for (;;);
      }
      return request;
    };
  });
  await page.evaluate(
    async ([password, next]) => {
      const stuck = new Promise((resolve) => (new BroadcastChannel("stuck").onmessage = resolve));
      void vault.changePassword(String(password), String(next)).catch(() => undefined);
      await stuck;
      Reflect.get(globalThis, "worker").terminate();
      vault.close();
    },
    [PASSWORD, NEXT],
  );
  assert.deepEqual(await ways(page, code), { old: true, next: "wrong_password", code: true, passkey: true });
  assert.deepEqual((await found(page)).texts, BOTH);
});

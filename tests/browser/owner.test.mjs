// What only the owner of a vault can do: passwords, passkeys, recovery, keys one by one, backups.

import assert from "node:assert/strict";
import { test } from "node:test";
import { OPENAI_KEY, PASSWORD, failure, open, openWithKey, useSite } from "./site.mjs";

/** @typedef {import("playwright-core").Page} Page */

const { site, page: newPage, tab } = useSite();
const CHAT = "/providers/openai/v1/chat/completions";
const NEXT = "a different horse battery staple";

/** An authenticator that says yes. @param {Page} page @param {object} [options] */
async function authenticator(page, options = {}) {
  const session = await page.context().newCDPSession(page);
  await session.send("WebAuthn.enable");
  const { authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2",
      ctap2Version: "ctap2_1",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      hasPrf: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
      ...options,
    },
  });
  return { session, authenticatorId };
}

test("a passkey opens the vault, and opens nothing once removed", async (t) => {
  const page = await newPage(t);
  await authenticator(page);
  await openWithKey(page);
  const result = await page.evaluate(async (password) => {
    const added = await vault.passkeys.add(password, "Laptop");
    const listed = await vault.passkeys.list();
    await vault.lock();
    await vault.unlock({ passkey: true });
    const state = vault.state;
    const keys = (await vault.keys.list()).length;
    await vault.passkeys.remove(added.id, password);
    const left = await vault.passkeys.list();
    await vault.lock();
    const after = await vault.unlock({ passkey: true }).catch((error) => error.code);
    await vault.unlock({ password });
    return { name: added.name, listed: listed.length, state, keys, left, after, still: (await vault.keys.list()).length };
  }, PASSWORD);
  assert.deepEqual(result, { name: "Laptop", listed: 1, state: "unlocked", keys: 1, left: [], after: "passkey_failed", still: 1 });
});

test("several passkeys, each opens; kept through a password change with a tap each", async (t) => {
  const page = await newPage(t);
  const devices = [await authenticator(page)];
  await openWithKey(page);
  await page.evaluate((password) => vault.passkeys.add(password, "one"), PASSWORD);
  // A device has one passkey of the vault: the second needs a second device.
  await present(devices, -1);
  devices.push(await authenticator(page, { transport: "usb" }));
  await page.evaluate((password) => vault.passkeys.add(password, "two"), PASSWORD);
  await page.exposeFunction("tapped", async (/** @type {string} */ wanted) => {
    // The person takes the device that is asked for.
    const holds = await Promise.all(devices.map(async (device) => (await credentials(device)).includes(wanted)));
    await present(devices, holds.indexOf(true));
  });
  await page.evaluate(() => {
    const get = navigator.credentials.get.bind(navigator.credentials);
    navigator.credentials.get = async (options) => {
      const allowed = options?.publicKey?.allowCredentials ?? [];
      const ids = allowed.map(({ id }) => btoa(String.fromCharCode(...new Uint8Array(/** @type {ArrayBuffer} */ (id)))));
      await /** @type {any} */ (globalThis).tapped(ids[0]);
      return get(options);
    };
  });
  const result = await page.evaluate(async ([password, next]) => {
    const { recoveryCode } = await vault.changePassword(String(password), String(next), { passkeys: "keep" });
    const passkeys = (await vault.passkeys.list()).map(({ name }) => name).sort();
    await vault.lock();
    await vault.unlock({ passkey: true });
    const byPasskey = vault.state;
    await vault.lock();
    await vault.unlock({ recoveryCode });
    await vault.lock();
    const old = await vault.unlock({ password: String(password) }).catch((error) => error.code);
    await vault.unlock({ password: String(next) });
    return { passkeys, byPasskey, old, keys: (await vault.keys.list()).length };
  }, [PASSWORD, NEXT]);
  assert.deepEqual(result, { passkeys: ["one", "two"], byPasskey: "unlocked", old: "wrong_password", keys: 1 });
});

/** @typedef {Awaited<ReturnType<typeof authenticator>>} Device */

/** Has only this device react to being asked. @param {Device[]} devices @param {number} chosen */
async function present(devices, chosen) {
  for (const [at, { session, authenticatorId }] of devices.entries()) {
    await session.send("WebAuthn.setAutomaticPresenceSimulation", { authenticatorId, enabled: at === chosen });
  }
}

/** @param {Device} device @returns {Promise<string[]>} ids in base64 */
async function credentials({ session, authenticatorId }) {
  const { credentials } = await session.send("WebAuthn.getCredentials", { authenticatorId });
  return credentials.map(({ credentialId }) => credentialId);
}

test("a passkey without PRF, or a person who says no, is passkey_failed", async (t) => {
  const page = await newPage(t);
  await authenticator(page, { hasPrf: false });
  await openWithKey(page);
  assert.equal((await failure(page, `await vault.passkeys.add(${JSON.stringify(PASSWORD)})`))?.code, "passkey_failed");
  assert.deepEqual(await page.evaluate(() => vault.passkeys.list()), []);
  assert.equal((await failure(page, `await vault.lock(); await vault.unlock({ passkey: true })`))?.code, "passkey_failed");
});

test("a wrong password enrols no passkey", async (t) => {
  const page = await newPage(t);
  await authenticator(page);
  await openWithKey(page);
  assert.equal((await failure(page, `await vault.passkeys.add("not the password at all")`))?.code, "wrong_password");
  assert.deepEqual(await page.evaluate(() => vault.passkeys.list()), []);
});

test("whoever has forgotten the password gets a new one for the recovery code", async (t) => {
  const page = await newPage(t);
  await open(page);
  const result = await page.evaluate(async ([password, next, key]) => {
    const { recoveryCode: old } = await vault.create(String(password));
    await vault.keys.add({ provider: "openai", key: String(key) });
    await vault.lock();
    await vault.unlock({ recoveryCode: old });
    const { recoveryCode } = await vault.changePassword(old, String(next));
    await vault.lock();
    const refused = [];
    for (const way of [{ password: String(password) }, { recoveryCode: old }]) {
      refused.push(await vault.unlock(way).catch((error) => error.code));
    }
    await vault.unlock({ password: String(next) });
    await vault.lock();
    await vault.unlock({ recoveryCode });
    const again = await vault.changePassword(old, String(password)).catch(({ code, field }) => ({ code, field }));
    return { refused, again, state: vault.state, keys: (await vault.keys.list()).length };
  }, [PASSWORD, NEXT, OPENAI_KEY]);
  assert.deepEqual(result, {
    refused: ["wrong_password", "wrong_recovery_code"],
    again: { code: "wrong_recovery_code", field: "recoveryCode" },
    state: "unlocked",
    keys: 1,
  });
});

test("a new recovery code voids the old one", async (t) => {
  const page = await newPage(t);
  await open(page);
  const result = await page.evaluate(async (password) => {
    const { recoveryCode: old } = await vault.create(password);
    const { recoveryCode } = await vault.recovery.renew(password);
    await vault.lock();
    const refused = await vault.unlock({ recoveryCode: old }).catch((error) => error.code);
    await vault.unlock({ recoveryCode });
    return { refused, state: vault.state };
  }, PASSWORD);
  assert.deepEqual(result, { refused: "wrong_recovery_code", state: "unlocked" });
});

test("keys are renamed, switched off, revealed with the password, and imported in bulk", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const result = await page.evaluate(async ([password, path]) => {
    const [key] = await vault.keys.list();
    const id = String(key?.id);
    const renamed = (await vault.keys.update(id, { name: "Work" })).name;
    const revealed = new TextDecoder().decode(await vault.keys.reveal(id, String(password)));
    const refused = await vault.keys.reveal(id, "not the password at all").catch((error) => error.code);
    const off = await vault.keys.update(id, { active: false });
    const status = (await vault.fetch(location.origin + path, { method: "POST", body: "{}" })).status;
    const env = await vault.keys.importEnv(`# keys\nANTHROPIC_API_KEY="sk-ant-api03-${"a".repeat(40)}"\nOTHER=1\nOPENAI_API_KEY=${revealed}\n`);
    return {
      renamed, revealed, refused, active: off.active, refusal: off.refusal, status,
      added: env.added.map(({ provider }) => provider), skipped: env.skipped.map(({ line }) => line),
    };
  }, [PASSWORD, CHAT]);
  assert.deepEqual(result, {
    renamed: "Work", revealed: OPENAI_KEY, refused: "wrong_password", active: false, refusal: "inactive", status: 401, added: ["anthropic"], skipped: [4],
  });
});

test("a key is tested and rotated; a rejected one changes nothing", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  let verdict = "valid";
  site.api = (call, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(call.path === "/v1/keys/test" ? { verdict, latencyMs: 12 } : { path: call.path }));
  };
  const id = String(await page.evaluate(async () => (await vault.keys.list())[0]?.id));
  assert.equal((await page.evaluate((id) => vault.keys.test(id), id)).verdict, "valid");
  assert.equal((await page.evaluate(() => vault.keys.list()))[0]?.status, "valid");
  verdict = "invalid";
  const rejected = await failure(page, `await vault.keys.rotate("${id}", "sk-proj-${"n".repeat(40)}")`);
  assert.equal(rejected?.code, "key_rejected");
  await page.evaluate((path) => vault.fetch(location.origin + path, { method: "POST", body: "{}" }), CHAT);
  assert.equal(site.relayed.at(-1)?.headers["x-byok-key"], OPENAI_KEY);
  verdict = "valid";
  await page.evaluate(([id, key]) => vault.keys.rotate(String(id), String(key)), [id, `sk-proj-${"n".repeat(40)}`]);
  await page.evaluate((path) => vault.fetch(location.origin + path, { method: "POST", body: "{}" }), CHAT);
  assert.equal(site.relayed.at(-1)?.headers["x-byok-key"], `sk-proj-${"n".repeat(40)}`);
});

test("calls to the relay carry the app's token, refreshed once", async (t) => {
  const page = await newPage(t);
  site.api = (call, response) => {
    const fresh = call.headers.authorization !== "Bearer stale";
    response.writeHead(fresh ? 200 : 401, { "content-type": "application/json", ...(fresh ? {} : { "x-byok-error": "auth_expired" }) });
    const lease = { id: "1", handle: "kfl_1.secret", provider: "openai", expiresAt: 1_800_000_000_000 };
    response.end(JSON.stringify(call.path === "/v1/leases" ? lease : { verdict: "valid", latencyMs: 1 }));
  };
  const result = await page.evaluate(async ([password, key]) => {
    const tokens = ["stale", "fresh", "stale", "fresh"];
    globalThis.vault = await kf.openVault({ relay: location.origin, worker: "dedicated", appToken: async () => String(tokens.shift()) });
    await vault.create(String(password));
    const { id } = await vault.keys.add({ provider: "openai", key: String(key) });
    const { verdict } = await vault.keys.test(id);
    const lease = await vault.lease({ provider: "openai", ttlSeconds: 60, models: ["gpt-4o-mini"] });
    return { verdict, handle: lease.handle, left: tokens.length };
  }, [PASSWORD, OPENAI_KEY]);
  assert.deepEqual(result, { verdict: "valid", handle: "kfl_1.secret", left: 0 });
  assert.deepEqual(
    site.relayed.map(({ path, headers }) => [path, headers.authorization, headers["x-byok-key"]]),
    ["/v1/keys/test", "/v1/leases"].flatMap((path) => ["Bearer stale", "Bearer fresh"].map((token) => [path, token, OPENAI_KEY])),
  );
  const { provider, ttlSeconds, models } = JSON.parse(String(site.relayed.at(-1)?.body));
  assert.deepEqual([provider, ttlSeconds, models], ["openai", 60, ["gpt-4o-mini"]]);
});

test("settings take the password, and what was done is listed", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  await page.evaluate((path) => vault.fetch(location.origin + path, { method: "POST", body: "{}" }), CHAT);
  const result = await page.evaluate(async (password) => {
    const before = await vault.settings();
    const refused = await vault.settings({ password: "not the password at all", autoLockMinutes: 5 }).catch((error) => error.code);
    const after = await vault.settings({ password, autoLockMinutes: 5, lockOnHide: true });
    const soon = Number(vault.getSnapshot().lockAt) - Date.now();
    const usage = await vault.usage();
    const audit = (await vault.audit({ limit: 10 })).map(({ action }) => action);
    return { before: before.autoLockMinutes, refused, after: [after.autoLockMinutes, after.lockOnHide], soon, usage: usage.map(({ provider, requests }) => [provider, requests]), audit };
  }, PASSWORD);
  assert.equal(result.before, 30);
  assert.equal(result.refused, "wrong_password");
  assert.deepEqual(result.after, [5, true]);
  assert.ok(result.soon <= 5 * 60_000, "the deadline follows at once");
  assert.deepEqual(result.usage, [["openai", 1]]);
  for (const action of ["created", "key_added", "request", "settings_changed"]) assert.ok(result.audit.includes(action), `${action}: ${result.audit}`);
});

test("a vault that locks when hidden does", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const state = await page.evaluate(async (password) => {
    await vault.settings({ password, lockOnHide: true });
    Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
    await new Promise((resolve) => vault.addEventListener("lock", resolve, { once: true }));
    return vault.state;
  }, PASSWORD);
  assert.equal(state, "locked");
});

test("a vault moves to another relay with its password", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const result = await page.evaluate(async (password) => {
    const refused = await vault.rebind(`${location.origin}/relay`, "not the password at all").catch((error) => error.code);
    const { recoveryCode } = await vault.rebind(`${location.origin}/relay`, password);
    const here = await vault.unlock({ password }).catch((error) => error.code);
    vault.close();
    const moved = await kf.openVault({ relay: `${location.origin}/relay`, worker: "dedicated" });
    await moved.unlock({ recoveryCode });
    const { url } = await moved.fetch("https://api.openai.com/v1/models");
    return { refused, here, keys: (await moved.keys.list()).length, path: new URL(url).pathname };
  }, PASSWORD);
  assert.deepEqual(result, { refused: "wrong_password", here: "relay_changed", keys: 1, path: "/relay/providers/openai/v1/models" });
});

test("a backup goes to another profile", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const file = await page.evaluate(async ([next, password]) => [...new Uint8Array(await (await vault.export(String(next), String(password))).arrayBuffer())], [NEXT, PASSWORD]);
  assert.ok(!Buffer.from(file).includes("openai") && !Buffer.from(file).includes(OPENAI_KEY));
  const other = await newPage(t);
  await open(other);
  await other.evaluate((password) => vault.create(password), PASSWORD);
  const imported = await other.evaluate(
    async ([bytes, password]) => {
      const file = new Uint8Array(/** @type {number[]} */ (bytes));
      const wrong = await vault.import(file, "not the password at all").catch((error) => error.code);
      const cut = await vault.import(file.slice(0, -1), String(password)).catch((error) => error.code);
      const first = await vault.import(new Blob([file]), String(password));
      const second = await vault.import(file, String(password));
      return { wrong, cut, first, second, keys: (await vault.keys.list()).length };
    },
    /** @type {const} */ ([file, NEXT]),
  );
  assert.equal(imported.keys, 1);
  assert.equal(imported.cut, "bad_backup");
  assert.ok(["bad_backup", "wrong_password"].includes(String(imported.wrong)));
});

test("a destroyed vault leaves nothing and makes room", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const second = await tab(page);
  await open(second);
  assert.equal(await page.evaluate(() => vault.destroy().then(() => vault.state)), "empty");
  await second.waitForFunction(() => vault.state === "empty");
  await page.evaluate((password) => vault.create(password), NEXT);
  assert.deepEqual(await page.evaluate(() => vault.keys.list()), []);
  await second.waitForFunction(() => vault.state === "locked");
  assert.equal((await failure(second, `await vault.unlock({ password: ${JSON.stringify(PASSWORD)} })`))?.code, "wrong_password");
});

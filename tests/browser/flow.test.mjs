// The vault's life as a page sees it: states, snapshots, events, keys.

import assert from "node:assert/strict";
import { test } from "node:test";
import { OPENAI_KEY, PASSWORD, failure, open, openWithKey, useSite } from "./site.mjs";

const { site, page: newPage } = useSite();

test("create, lock, unlock", async (t) => {
  const page = await newPage(t);
  assert.equal(await open(page), "empty");
  const { recoveryCode, states } = await page.evaluate(async (password) => {
    /** @type {string[]} */
    const states = [];
    vault.subscribe(() => states.at(-1) !== vault.state && states.push(vault.state));
    const { recoveryCode } = await vault.create(password);
    await vault.lock();
    await vault.unlock({ password });
    return { recoveryCode, states };
  }, PASSWORD);
  assert.ok(recoveryCode.length > 0);
  assert.deepEqual(states, ["unlocked", "locked", "unlocked"]);
});

test("a recovery code opens the vault", async (t) => {
  const page = await newPage(t);
  await open(page);
  const state = await page.evaluate(async (password) => {
    const { recoveryCode } = await vault.create(password);
    await vault.lock();
    await vault.unlock({ recoveryCode });
    return vault.state;
  }, PASSWORD);
  assert.equal(state, "unlocked");
});

test("what goes wrong carries a code and a field", async (t) => {
  const page = await newPage(t);
  await open(page);
  const weak = await failure(page, `await vault.create("short")`);
  assert.equal(weak?.name, "VaultError");
  assert.equal(weak?.code, "weak_password");
  assert.equal(weak?.field, "password");
  await page.evaluate((password) => vault.create(password), PASSWORD);
  assert.equal((await failure(page, `await vault.create(${JSON.stringify(PASSWORD)})`))?.code, "vault_exists");
  await page.evaluate(() => vault.lock());
  assert.equal((await failure(page, `await vault.unlock({ password: "not the password at all" })`))?.code, "wrong_password");
  assert.equal((await failure(page, `await vault.keys.list()`))?.code, "locked");
});

test("keys are listed without their secret, and removed", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const keys = await page.evaluate(() => vault.keys.list());
  assert.equal(keys.length, 1);
  assert.equal(keys[0]?.provider, "openai");
  assert.ok(!JSON.stringify(keys).includes(OPENAI_KEY.slice(8, -4)));
  const left = await page.evaluate(async (id) => {
    await vault.keys.remove(id);
    return vault.keys.list();
  }, String(keys[0]?.id));
  assert.deepEqual(left, []);
});

test("the snapshot is the same object until something changes", async (t) => {
  const page = await newPage(t);
  await open(page);
  const result = await page.evaluate(async ([password, key]) => {
    const before = vault.getSnapshot();
    const same = before === vault.getSnapshot();
    await vault.create(String(password));
    const created = vault.getSnapshot();
    await vault.keys.list();
    const listed = vault.getSnapshot();
    const hadKey = created.providers.find(({ id }) => id === "openai")?.hasKey;
    await vault.keys.add({ provider: "openai", key: String(key) });
    const hasKey = vault.providers().find(({ id }) => id === "openai")?.hasKey;
    const server = vault.getServerSnapshot();
    return { same, changed: before !== created, kept: created === listed, hadKey, hasKey, server, lockAt: created.lockAt };
  }, [PASSWORD, OPENAI_KEY]);
  assert.ok(result.same && result.changed && result.kept);
  assert.equal(result.hadKey, false);
  assert.equal(result.hasKey, true);
  assert.equal(result.server.state, "locked");
  assert.ok(Number(result.lockAt) > Date.now() + 29 * 60_000);
});

test("events tell of unlock, change and lock", async (t) => {
  const page = await newPage(t);
  await open(page);
  const events = await page.evaluate(async ([password, key]) => {
    /** @type {string[]} */
    const events = [];
    for (const type of /** @type {const} */ (["unlock", "change", "lock"])) {
      vault.addEventListener(type, () => void events.push(type));
    }
    await vault.create(String(password));
    await vault.keys.add({ provider: "openai", key: String(key) });
    await vault.lock();
    await new Promise((resolve) => setTimeout(resolve, 50));
    return events;
  }, [PASSWORD, OPENAI_KEY]);
  assert.equal(events[0], "unlock");
  assert.ok(events.slice(0, events.indexOf("lock")).includes("change"));
  assert.equal(events.filter((type) => type === "lock").length, 1);
});

test("opening is idempotent per name, and a closed vault makes room", async (t) => {
  const page = await newPage(t);
  await open(page);
  const result = await page.evaluate(async () => {
    const again = await kf.openVault({ relay: location.origin });
    const other = await kf.openVault({ relay: location.origin, name: "other", worker: "dedicated" });
    const same = again === vault;
    const different = other !== vault;
    vault.close();
    const closed = await vault.keys.list().catch((error) => error.code);
    const reopened = await kf.openVault({ relay: location.origin, worker: "dedicated" });
    return { same, different, closed, reopened: reopened !== vault, state: reopened.state };
  });
  assert.deepEqual(result, { same: true, different: true, closed: "closed", reopened: true, state: "empty" });
});

test("one name, two relays: refused", async (t) => {
  const page = await newPage(t);
  await open(page);
  assert.equal((await failure(page, `await kf.openVault({ relay: "https://other.example" })`))?.code, "relay_changed");
  assert.equal((await failure(page, `await kf.openVault({ relay: "http://[", name: "x" })`))?.code, "bad_argument");
});

test("what was stored survives a reload", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  await page.reload();
  await page.waitForFunction("globalThis.ready");
  assert.equal(await open(page), "locked");
  const keys = await page.evaluate(async (password) => {
    await vault.unlock({ password });
    return vault.keys.list();
  }, PASSWORD);
  assert.equal(keys.length, 1);
  assert.equal(site.relayed.length, 0);
});

test("a caller's byte array is left alone", async (t) => {
  const page = await newPage(t);
  await open(page);
  const result = await page.evaluate(async ([password, key]) => {
    await vault.create(String(password));
    const bytes = new TextEncoder().encode(key);
    await vault.keys.add({ provider: "openai", key: bytes });
    return new TextDecoder().decode(bytes);
  }, [PASSWORD, OPENAI_KEY]);
  assert.equal(result, OPENAI_KEY);
});

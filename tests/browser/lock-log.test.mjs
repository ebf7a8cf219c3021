// A lock in the audit log: written after the keys are gone, by an instance that ends with it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PASSWORD, openWithKey, useSite } from "./site.mjs";

const { page: newPage } = useSite();

/** The log of the vault, opened again. @param {import("playwright-core").Page} page */
function opened(page) {
  return page.evaluate(async (password) => {
    await vault.unlock({ password });
    return (await vault.audit()).map(({ action, number, at }) => ({ action, number, at }));
  }, PASSWORD);
}

test("a lock stands in the log of the next opening, with its reason and time", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  const before = Date.now();
  await page.evaluate(() => vault.lock());
  const after = Date.now();
  const [unlocked, locked] = await opened(page);
  assert.deepEqual([unlocked?.action, locked?.action, locked?.number], ["unlocked", "locked", 1]);
  assert.ok(locked && before <= locked.at && locked.at <= after);
});

test("what was used just before a lock is counted", async (t) => {
  const page = await newPage(t);
  await openWithKey(page);
  await page.evaluate(async () => {
    await vault.fetch(`${location.origin}/providers/openai/v1/models`);
    await vault.lock();
  });
  const log = await opened(page);
  assert.ok(log.some(({ action }) => action === "request"));
  const [row] = await page.evaluate(() => vault.usage());
  assert.equal(row?.requests, 1);
});

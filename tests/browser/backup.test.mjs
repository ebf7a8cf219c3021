// Backups that are wrong, cut, changed or of something else: refused whole, with the right code.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { SECOND_KEY } from "./records.mjs";
import { OPENAI_KEY, PASSWORD, open, openWithKey, useSite } from "./site.mjs";

const { page: newPage } = useSite();
const FILE_PASSWORD = "a password for the file only";

/** A vault with two keys, and its backup in the page as `file`. @param {import("playwright-core").Page} page */
async function exported(page) {
  await openWithKey(page);
  return page.evaluate(
    async ([key, filePassword, password]) => {
      await vault.keys.add({ provider: "anthropic", key: String(key) });
      const file = new Uint8Array(await (await vault.export(String(filePassword), String(password))).arrayBuffer());
      Object.assign(globalThis, {
        file,
        /** What an import of these bytes ends with. */
        attempt: (/** @type {Uint8Array<ArrayBuffer>} */ bytes, /** @type {string} */ password) =>
          vault.import(new Blob([bytes]), password).then(({ added, known }) => `${added} added, ${known} known`, (error) => error.code),
      });
      return file.length;
    },
    [SECOND_KEY, FILE_PASSWORD, PASSWORD],
  );
}

test("a backup merges by the keys themselves", async (t) => {
  const page = await newPage(t);
  await exported(page);
  const outcome = await page.evaluate(
    async ([first, password]) => {
      const { file, attempt } = /** @type {any} */ (globalThis);
      const steps = [await attempt(file, password)];
      const [key] = (await vault.keys.list()).filter(({ provider }) => provider === "openai");
      await vault.keys.remove(String(key?.id));
      // The other key's name is taken meanwhile.
      await vault.keys.add({ provider: "openai", key: String(first) + "x", name: String(key?.name) });
      steps.push(await attempt(file, password));
      return { steps, names: (await vault.keys.list()).map(({ name }) => name).sort() };
    },
    [OPENAI_KEY, FILE_PASSWORD],
  );
  assert.deepEqual(outcome.steps, ["0 added, 2 known", "1 added, 1 known"]);
  assert.equal(new Set(outcome.names).size, 3, `names stay unique: ${outcome.names}`);
});

test("the frozen backup of version 1 opens in the module that ships", async (t) => {
  const file = await readFile(new URL("../../vault-wasm/tests/vectors/backup-v1.keyferry", import.meta.url));
  const page = await newPage(t);
  await open(page);
  const found = await page.evaluate(
    async ([file, own]) => {
      await vault.create(String(own));
      const outcome = await vault.import(new Uint8Array(/** @type {number[]} */ (file)), "a password for the file");
      const keys = await vault.keys.list();
      const texts = await Promise.all(keys.map(async ({ id, provider, name }) => `${provider} ${name} ${new TextDecoder().decode(await vault.keys.reveal(id, String(own)))}`));
      return { outcome, texts: texts.sort() };
    },
    /** @type {const} */ ([[...file], PASSWORD]),
  );
  assert.deepEqual(found.outcome, { added: 2, known: 0 });
  assert.deepEqual(found.texts, ["anthropic Anthropic sk-ant-api03-0123456789abcdef0123456789", "openai work sk-proj-0123456789abcdef0123456789abcdef"]);
});

test("a wrong password opens no backup, not even the vault's own", async (t) => {
  const page = await newPage(t);
  await exported(page);
  const outcome = await page.evaluate((password) => {
    const { file, attempt } = /** @type {any} */ (globalThis);
    return attempt(file, password);
  }, PASSWORD);
  assert.equal(outcome, "wrong_password");
});

test("a backup cut anywhere, grown, or of something else is refused", async (t) => {
  const page = await newPage(t);
  const length = await exported(page);
  const cuts = [0, 1, 8, 9, 13, 14, 40, Math.floor(length / 2), length - 257, length - 1];
  const outcomes = await page.evaluate(
    async ([cuts, password]) => {
      const { file, attempt } = /** @type {any} */ (globalThis);
      const others = [new Uint8Array([...file, 0]), new Uint8Array(4096), new TextEncoder().encode("OPENAI_API_KEY=sk-…"), crypto.getRandomValues(new Uint8Array(2048))];
      const codes = [];
      for (const bytes of [.../** @type {number[]} */ (cuts).map((at) => file.slice(0, at)), ...others]) codes.push(await attempt(bytes, password));
      return codes;
    },
    /** @type {const} */ ([cuts, FILE_PASSWORD]),
  );
  assert.deepEqual(outcomes, Array(cuts.length + 4).fill("bad_backup"));
  assert.equal(await page.evaluate(async () => (await vault.keys.list()).length), 2, "nothing changed");
});

test("a backup with any part changed is refused whole", async (t) => {
  const page = await newPage(t);
  const length = await exported(page);
  // A bit in each stretch of the file: its head, each record's head, each record's text.
  const places = Array.from({ length: 24 }, (_, i) => Math.floor((i * (length - 1)) / 23));
  const outcomes = await page.evaluate(
    async ([places, password]) => {
      const { file, attempt } = /** @type {any} */ (globalThis);
      // What would be added, were the file taken.
      for (const { id } of await vault.keys.list()) await vault.keys.remove(id);
      const codes = [];
      for (const at of /** @type {number[]} */ (places)) {
        const bytes = file.slice();
        bytes[at] ^= 1;
        codes.push(await attempt(bytes, password));
      }
      return { codes, keys: (await vault.keys.list()).length, whole: await attempt(file, password) };
    },
    /** @type {const} */ ([places, FILE_PASSWORD]),
  );
  for (const [i, code] of outcomes.codes.entries()) {
    assert.ok(["bad_backup", "wrong_password", "future_version", "kdf_refused"].includes(code), `byte ${places[i]}: ${code}`);
  }
  assert.equal(outcomes.keys, 0);
  assert.equal(outcomes.whole, "2 added, 0 known");
});

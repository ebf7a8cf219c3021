/// <reference path="./globals.d.ts" />
// The records of a stored vault, from outside of it: to be damaged, mixed up and put back.

import { OPENAI_KEY, PASSWORD, openWithKey } from "./site.mjs";

/** @typedef {import("playwright-core").Page} Page */

/** The record that is readable without a password: what and whose vault this is. */
export const HEADER = "1/00000000000000000000000000000000";
/** The list of all records, authenticated. */
export const MANIFEST = "2/00000000000000000000000000000000";
export const SECOND_KEY = "sk-ant-api03-" + "b".repeat(60);

/**
 * Runs `code` in the page with the vault's records: a map from name to bytes. What it leaves in the
 * map is stored. Gives the names there were. @param {Page} page @param {string} code
 * @returns {Promise<string[]>}
 */
export function tamper(page, code, name = "default") {
  return page.evaluate(
    async ([code, name]) => {
      // Before anything is awaited: later the page's CSP applies to this code as well.
      const change = new Function("records", String(code));
      /** @param {IDBRequest} request @returns {Promise<any>} */
      const done = (request) => new Promise((resolve, reject) => ((request.onsuccess = () => resolve(request.result)), (request.onerror = () => reject(request.error))));
      const database = await done(indexedDB.open(`keyferry:${name}`));
      const store = database.transaction("records", "readwrite").objectStore("records");
      const names = await done(store.getAllKeys());
      const records = new Map();
      for (const name of names) records.set(name, await done(store.get(name)));
      change(records);
      store.clear();
      for (const [name, bytes] of records) store.put(bytes, name);
      await new Promise((resolve) => (store.transaction.oncomplete = resolve));
      database.close();
      return names;
    },
    [code, name],
  );
}

/** The records as they lie at rest, by name. @param {Page} page @returns {Promise<Record<string, Uint8Array>>} */
export async function dump(page) {
  await tamper(page, "globalThis.dumped = [...records].map(([name, bytes]) => [name, [...bytes]]);");
  const records = /** @type {[string, number[]][]} */ (await page.evaluate("dumped"));
  return Object.fromEntries(records.map(([name, bytes]) => [name, Uint8Array.from(bytes)]));
}

/** Keeps the records, for {@link restore}. @param {Page} page */
export const keep = (page) => tamper(page, "globalThis.saved = new Map(records);");

/** Puts back what was kept. @param {Page} page */
export const restore = (page) => tamper(page, "records.clear(); saved.forEach((bytes, name) => records.set(name, bytes));");

/** A vault with two keys, locked, its worker gone. @param {Page} page @param {object} [options] */
export async function stored(page, options) {
  await openWithKey(page, options);
  await page.evaluate((key) => vault.keys.add({ provider: "anthropic", key }), SECOND_KEY);
  await page.evaluate(() => vault.lock());
  await page.evaluate(() => vault.close());
}

/**
 * What a person finds who opens the vault with the password: the keys that can still be read, or
 * the code of the failure. @param {Page} page @param {string} [password]
 */
export function found(page, password = PASSWORD) {
  return page.evaluate(async (password) => {
    /** @type {typeof vault} */
    let opened;
    try {
      opened = await kf.openVault({ relay: location.origin, worker: "dedicated" });
    } catch (error) {
      return { code: /** @type {any} */ (error).code };
    }
    try {
      await opened.unlock({ password });
      const keys = await opened.keys.list();
      const texts = await Promise.all(
        keys.map(({ id }) => opened.keys.reveal(id, password).then((bytes) => new TextDecoder().decode(bytes), (error) => error.code)),
      );
      const { damaged } = opened.getSnapshot();
      return { texts: texts.sort(), damaged: damaged.map(({ kind }) => kind).sort(), names: keys.map(({ name }) => name) };
    } catch (error) {
      return { code: /** @type {any} */ (error).code };
    } finally {
      opened.close();
    }
  }, password);
}

/** Both keys of a {@link stored} vault, as {@link found} gives them. */
export const BOTH = [SECOND_KEY, OPENAI_KEY].sort();

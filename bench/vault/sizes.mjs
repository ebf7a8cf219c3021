// What a browser downloads, as it is and as servers compress it ahead of time.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };

/** What `import "./x"` and `from "./x"` name; a call of `import()` is for later. */
const IMPORTED = /(?:\bfrom|\bimport)\s*"\.\/([^"]+)"/g;

/** A module and everything it imports at once. @param {string} folder @param {string} name @param {Set<string>} seen */
async function closure(folder, name, seen = new Set()) {
  if (seen.has(name)) return seen;
  seen.add(name);
  const text = await readFile(join(folder, name), "utf8");
  for (const [, imported] of text.matchAll(IMPORTED)) await closure(folder, /** @type {string} */ (imported), seen);
  return seen;
}

/**
 * @param {string} folder the package
 * @returns {Promise<Record<string, { raw: number, gzip: number, brotli: number }>>} bytes by file
 */
export async function sizes(folder) {
  /** @type {Record<string, { raw: number, gzip: number, brotli: number }>} */
  const found = {};
  const names = (await readdir(folder)).filter((name) => /\.(js|wasm)$/.test(name));
  const needed = new Set([...(await closure(folder, "index.js")), "worker.js", "keyferry.wasm"]);
  const total = { raw: 0, gzip: 0, brotli: 0 };
  for (const name of names.sort()) {
    const bytes = await readFile(join(folder, name));
    const file = {
      raw: bytes.length,
      gzip: (await promisify(gzip)(bytes, { level: 9 })).length,
      brotli: (await promisify(brotliCompress)(bytes, BROTLI)).length,
    };
    found[name] = file;
    if (!needed.has(name)) continue;
    total.raw += file.raw;
    total.gzip += file.gzip;
    total.brotli += file.brotli;
  }
  found["what a page in page mode loads"] = total;
  return found;
}

// What a browser downloads, as it is and as servers compress it ahead of time.

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const BROTLI = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };

/** Entry points an app may or may not use, each with all it brings. */
const OPTIONAL = /^(inline|testing|react|elements)/;

/**
 * @param {string} folder the package
 * @returns {Promise<Record<string, { raw: number, gzip: number, brotli: number }>>} bytes by file
 */
export async function sizes(folder) {
  /** @type {Record<string, { raw: number, gzip: number, brotli: number }>} */
  const found = {};
  const names = (await readdir(folder)).filter((name) => /\.(js|wasm)$/.test(name));
  const total = { raw: 0, gzip: 0, brotli: 0 };
  for (const name of names.sort()) {
    const bytes = await readFile(join(folder, name));
    const file = {
      raw: bytes.length,
      gzip: (await promisify(gzip)(bytes, { level: 9 })).length,
      brotli: (await promisify(brotliCompress)(bytes, BROTLI)).length,
    };
    found[name] = file;
    if (OPTIONAL.test(name)) continue;
    total.raw += file.raw;
    total.gzip += file.gzip;
    total.brotli += file.brotli;
  }
  found["index.js, its chunks, worker and WASM"] = total;
  return found;
}

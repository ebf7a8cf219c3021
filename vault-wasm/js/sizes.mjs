// What the package weighs, against what it may. By hand: node vault-wasm/js/sizes.mjs [folder]
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { argv } from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";

const packaged = fileURLToPath(new URL("../../target/npm/keyferry", import.meta.url));

/**
 * Bytes after gzip -9. The first two and the WASM are what a page in page mode loads before it can
 * do anything; in frame mode only the client, and the frame loads the rest.
 */
const BUDGETS = {
  "client + worker": 15 * 1024,
  "loaded when needed": 6 * 1024,
  wasm: 60 * 1024,
  // Close above what they are, so that growth is noticed. Two languages of three are 14 KB of it.
  elements: 72 * 1024,
};

/**
 * @param {string} [folder] of the built package
 * @returns {Promise<{ what: string, size: number, budget: number }[]>} in bytes
 */
export async function sizes(folder = packaged) {
  const core = await withChunks(folder, "index.js", false);
  const needed = await withChunks(folder, "index.js", true);
  const elements = await withChunks(folder, "elements.js", true);
  /** @type {Record<string, string[]>} */
  const files = {
    "client + worker": ["worker.js", ...core],
    "loaded when needed": [...needed].filter((file) => !core.has(file)),
    wasm: ["keyferry.wasm"],
    elements: [...elements].filter((file) => !needed.has(file)),
  };
  return Promise.all(
    Object.entries(BUDGETS).map(async ([what, budget]) => {
      let size = 0;
      for (const file of files[what] ?? []) size += gzipSync(await readFile(join(folder, file)), { level: 9 }).length;
      return { what, size, budget };
    }),
  );
}

/**
 * An entry and every chunk it loads, at once or (`lazy`) ever.
 * @param {string} folder @param {string} entry @param {boolean} lazy @param {Set<string>} [seen]
 */
async function withChunks(folder, entry, lazy, seen = new Set()) {
  if (seen.has(entry)) return seen;
  seen.add(entry);
  const text = await readFile(join(folder, entry), "utf8");
  for (const [, call, chunk] of text.matchAll(/(import\()?["']\.\/(chunk-\w+\.js)["']/g)) {
    if (chunk && (lazy || !call)) await withChunks(folder, chunk, lazy, seen);
  }
  return seen;
}

if (import.meta.url === pathToFileURL(argv[1] ?? "").href) {
  for (const { what, size, budget } of await sizes(argv[2] === undefined ? packaged : resolve(argv[2]))) {
    const over = size > budget ? "  over budget" : "";
    console.log(`${what}: ${(size / 1024).toFixed(1)} KB gzip of ${budget / 1024}${over}`);
  }
}

// What npm packs: every file by name, and none that nothing leads to.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, posix } from "node:path";
import { test } from "node:test";
import { sizes } from "../../vault-wasm/js/sizes.mjs";
import { folder, packed, root } from "./packed.mjs";

/** What is packed beside chunks and the declarations that the entries lead to. */
const FILES = [
  "LICENSE",
  "LICENSE-APACHE",
  "LICENSE-MIT",
  "README.md",
  "elements.js",
  "frame.css",
  "frame.html",
  "frame.js",
  "index.js",
  "inline.js",
  "keyferry.wasm",
  "package.json",
  "react.js",
  "testing.js",
  "types/elements.d.ts",
  "types/index.d.ts",
  "types/inline.d.ts",
  "types/react.d.ts",
  "types/testing.d.ts",
  "types/wasm.d.ts",
  "types/worker.d.ts",
  "worker.js",
];

/** Entries of the manifest, as files. */
const ENTRIES = {
  ".": "index",
  "./react": "react",
  "./elements": "elements",
  "./inline": "inline",
  "./testing": "testing",
};

test("the files are these, and what they lead to", async () => {
  const { files } = await packed;
  const reached = new Set(FILES);
  const reach = async (/** @type {string} */ file) => {
    const text = await readFile(join(folder, file), "utf8");
    const imported = file.endsWith(".d.ts") ? /["'](\.{1,2}\/[^"']+)\.js["']/g : /["'](\.\/chunk-[A-Z0-9]{8})\.js["']/g;
    for (const [, name] of text.matchAll(imported)) {
      const next = posix.join(dirname(file), `${name}${file.endsWith(".d.ts") ? ".d.ts" : ".js"}`);
      if (reached.has(next)) continue;
      reached.add(next);
      await reach(next);
    }
  };
  for (const file of FILES.filter((name) => /\.(js|d\.ts)$/.test(name))) await reach(file);
  assert.deepEqual(files.toSorted(), [...reached].toSorted());
});

test("the entries are these, each with types", async () => {
  const manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const expected = {
    ...Object.fromEntries(
      Object.entries(ENTRIES).map(([entry, name]) => [entry, { types: `./types/${name}.d.ts`, default: `./${name}.js` }]),
    ),
    "./worker.js": { types: "./types/worker.d.ts", default: "./worker.js" },
    "./keyferry.wasm": { types: "./types/wasm.d.ts", default: "./keyferry.wasm" },
    "./package.json": "./package.json",
  };
  assert.deepEqual(manifest.exports, expected);
  assert.equal(manifest.dependencies, undefined, "it brings everything it needs");
});

test("the client and its worker keep their budget", async () => {
  const weights = await sizes(folder);
  for (const { what, size, budget } of weights) {
    assert.ok(size > 0, `${what} was weighed`);
    // The WASM's budget is a goal: docs/adr/0004-wasm-size.md.
    if (what !== "wasm") assert.ok(size <= budget, `${what}: ${size} of ${budget} bytes`);
  }
});

test("nothing in it tells of the machine that built it", async () => {
  const { files } = await packed;
  for (const file of files) {
    const bytes = await readFile(join(folder, file));
    for (const path of [root, homedir(), ".cargo", "node_modules"]) assert.ok(!bytes.includes(path), `${file} names ${path}`);
  }
});

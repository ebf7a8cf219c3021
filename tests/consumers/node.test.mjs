// Where there is no page: servers that render one, and tests of apps.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { EXAMPLES, run } from "./support/build.mjs";

test("Node imports every entry, and opens nothing", async () => {
  const script = `
    const entries = ["keyferry", "keyferry/react", "keyferry/elements", "keyferry/inline", "keyferry/testing"];
    const [{ openVault, VaultError }] = await Promise.all(entries.map((entry) => import(entry)));
    const error = await openVault({ relay: "https://relay.example" }).catch((thrown) => thrown);
    console.log(JSON.stringify({ code: error.code, ours: error instanceof VaultError, files: [import.meta.resolve("keyferry/worker.js"), import.meta.resolve("keyferry/keyferry.wasm")] }));
  `;
  const output = JSON.parse(await run(join(EXAMPLES, "script-tag"), process.execPath, ["--input-type=module", "-e", script]));
  assert.equal(output.code, "worker_failed");
  assert.ok(output.ours);
  assert.match(output.files.join(), /\/node_modules\/keyferry\/worker\.js,.*\/node_modules\/keyferry\/keyferry\.wasm$/);
});

test("an app's tests use a vault in memory, in vitest and jsdom", async () => {
  const output = await run(join(EXAMPLES, "vitest"), "npm", ["test", "--silent"]);
  assert.match(output, /Tests +2 passed/);
});

// The line of code in docs/bundlers.md, as it stands there. What it says of each bundler is tests/consumers'.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { PASSWORD } from "../support/page.mjs";
import { KNOWN } from "../support/known.mjs";
import { packaged, useDocuments } from "./harness.mjs";
import { readDocument } from "./markdown.mjs";

const text = await readFile(new URL("../../docs/bundlers.md", import.meta.url), "utf8");
const { pages, profile, seen, show } = useDocuments();

test("the worker and the WebAssembly are found where the page says", async () => {
  const [, call = ""] = /`(openVault\([^`]+\))`/.exec(text) ?? [];
  const assets = [...call.matchAll(/"(\/assets\/[\w.]+)"/g)].map(([, path = ""]) => path);
  assert.deepEqual(assets, ["/assets/worker.js", "/assets/keyferry.wasm"]);
  pages["/assets/worker.js"] = packaged("worker.js", "text/javascript");
  pages["/assets/keyferry.wasm"] = packaged("keyferry.wasm", "application/wasm");
  const context = await profile();
  const { lines, failed } = await show(
    context,
    `import { openVault as open } from "keyferry";
     const relay = ${JSON.stringify(KNOWN.relay)};
     // Where the relay has no vault origin, page mode needs no saying.
     const openVault = (options) => open({ ...options, mode: "page" });
     const vault = await ${call};
     await vault.create(${JSON.stringify(PASSWORD)});
     console.log(vault.state);`,
  );
  assert.deepEqual(await lines(1), ["unlocked"]);
  assert.deepEqual(failed, []);
  assert.deepEqual(assets.filter((path) => !seen().includes(path)), []);
  await context.close();
});

test("no snippet is left out", async () => (await readDocument("docs/bundlers.md")).assertAllTaken());

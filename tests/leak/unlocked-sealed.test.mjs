// With sealing on, an open vault keeps its keys within the module: not even while it is in use does a heap of
// page or worker hold one as text, nor a byte array outside of the module's memory as bytes.
/// <reference path="../browser/globals.d.ts" />

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { startApp } from "../support/app.mjs";
import { launch } from "../support/chromium.mjs";
import { buffers, heaps } from "../support/heap.mjs";
import { KEEPING } from "../support/keeping.mjs";
import { PASSWORD } from "../support/page.mjs";
import { binary, startRelay } from "../support/relay.mjs";
import { CANARY, leaked } from "../support/stack.mjs";
import { startStandin } from "../support/standin.mjs";

/** As numbers, so that no text of a secret comes into the page from outside. @param {string} text */
const codes = (text) => [...Buffer.from(text)];
const keygen = (/** @type {string[]} */ ...args) => promisify(execFile)(binary, ["keygen", ...args]).then(({ stdout }) => stdout.trim());

/** @type {Awaited<ReturnType<typeof startStandin>>} */
let standin;
/** @type {import("../support/relay.mjs").Relay} */
let relay;
/** @type {import("../support/app.mjs").App} */
let app;
/** @type {import("playwright-core").Browser} */
let browser;

before(async () => {
  standin = await startStandin({ keys: [CANARY.openai], latency: 0 });
  app = await startApp({ "/keeping.js": `${KEEPING} importScripts("/keyferry/worker.js");` });
  relay = await startRelay({
    provider: standin.url,
    server: `allowed_origins = ["${app.origin}"]`,
    config: `[secrets]\ncurrent = "${await keygen()}"\nidentity = "${await keygen("--identity")}"\nrequire_sealed = true`,
  });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await relay?.stop();
  await app?.stop();
  await standin?.stop();
});

test("an open vault that is in use leaves no key and no password in a heap", async () => {
  const page = await (await browser.newContext()).newPage();
  await page.addInitScript(KEEPING);
  await page.goto(app.origin);
  await page.waitForFunction("globalThis.ready");
  const control = `control-${Math.random()}`;
  const statuses = await page.evaluate(
    async ([relay, password, key, control]) => {
      Object.assign(globalThis, { control: [control] });
      globalThis.vault = await kf.openVault({ relay: String(relay), mode: "page", worker: "dedicated", workerUrl: "/keeping.js" });
      const typed = new Uint8Array(/** @type {number[]} */ (password));
      const pasted = new Uint8Array(/** @type {number[]} */ (key));
      await vault.create(typed);
      await vault.keys.add({ provider: "openai", key: pasted });
      typed.fill(0);
      pasted.fill(0);
      const statuses = [];
      for (let i = 0; i < 3; i += 1) {
        const response = await vault.fetch("https://api.openai.com/v1/models");
        await response.text();
        statuses.push(response.status);
      }
      return statuses;
    },
    /** @type {const} */ ([relay.origin, codes(PASSWORD), codes(CANARY.openai), control]),
  );
  assert.deepEqual(statuses, [200, 200, 200]);
  assert.equal(await page.evaluate(() => vault.state), "unlocked");
  const found = await heaps(browser, [app.origin]);
  assert.deepEqual(found.map(([kind]) => kind).sort(), ["page", "worker"]);
  assert.ok(found.some(([, text]) => text.includes(control)), "a snapshot shows strings");
  assert.ok(found.some(([kind, text]) => kind === "worker" && text.includes("keyferry")), "the worker's too");
  for (const [kind, text] of found) {
    assert.equal(leaked(text, CANARY.openai), undefined, `the heap of ${kind} holds part of a key`);
    assert.ok(!text.includes(PASSWORD), `the heap of ${kind} holds the password`);
  }
  const secrets = { key: Buffer.from(CANARY.openai.slice(-24)), password: Buffer.from(PASSWORD) };
  for (const { kind, arrays, outside } of await buffers(browser, [app.origin], secrets)) {
    assert.ok(arrays > 0, `the arrays of ${kind} were looked through`);
    assert.deepEqual(outside, [], `bytes of ${kind}`);
  }
});

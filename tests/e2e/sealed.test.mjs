// The sealed header between the real vault and the real relay: what travels is ciphertext, once, and a
// relay that stops sealing gets nothing.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

import { launch } from "../support/chromium.mjs";
import { binary, freePort, startRelay } from "../support/relay.mjs";
import { CANARY, leaked } from "../support/stack.mjs";
import { ANSWER, startStandin } from "../support/standin.mjs";

const keygen = (/** @type {string[]} */ ...args) =>
  promisify(execFile)(binary, ["keygen", ...args]).then(({ stdout, stderr }) => ({
    secret: stdout.trim(),
    shown: stderr.trim().split("\n").at(-1) ?? "",
  }));

/** @type {Awaited<ReturnType<typeof startStandin>>} */
let standin;
/** @type {import("../support/relay.mjs").Relay} */
let relay;
/** @type {import("playwright-core").Browser} */
let browser;
/** @type {number} */
let port;
/** @type {string} */
let relayKey;

before(async () => {
  const [current, identity] = await Promise.all([keygen(), keygen("--identity")]);
  relayKey = identity.shown;
  port = await freePort();
  standin = await startStandin({ keys: [CANARY.openai], latency: 0 });
  relay = await startRelay({
    port,
    provider: standin.url,
    log: "trace",
    config: `[secrets]\ncurrent = "${current.secret}"\nidentity = "${identity.secret}"\nrequire_sealed = true`,
  });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await relay?.stop();
  await standin?.stop();
});

/**
 * A page with an open vault of its own and one key; `sent` holds the key headers that went out.
 * @param {string | undefined} pin
 */
async function opened(pin) {
  const context = await browser.newContext();
  const page = await context.newPage();
  /** @type {string[]} */
  const sent = [];
  context.on("request", (request) => {
    const header = request.headers()["x-byok-key"];
    if (header) sent.push(header);
  });
  await page.goto(`${relay.origin}/?mode=page`);
  await page.evaluate(
    async ({ pin, key }) => {
      const specifier = "/keyferry/index.js"; // resolved in the page, not here
      const { openVault } = await import(specifier);
      const relayKey = pin ? { relayKey: pin } : {};
      const vault = await openVault({
        relay: location.origin, name: "sealed", mode: "page", worker: "dedicated", ...relayKey,
      });
      await vault.create("correct horse battery staple");
      await vault.keys.add({ provider: "openai", key });
      Object.assign(globalThis, {
        ask: async () => {
          const response = await vault.fetch("https://api.openai.com/v1/chat/completions", {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ model: "gpt-4o-mini", messages: [{ role: "user", content: "Hello" }] }),
          });
          return { status: response.status, body: await response.text() };
        },
      });
    },
    { pin, key: CANARY.openai },
  );
  const ask = () => page.evaluate(() => /** @type {any} */ (globalThis).ask());
  return { context, sent, ask };
}

test("what leaves the browser is sealed, and opens once", async () => {
  const { context, sent, ask } = await opened(relayKey);
  for (let i = 0; i < 3; i += 1) {
    const answer = await ask();
    assert.equal(answer.status, 200, answer.body);
    assert.ok(answer.body.includes(ANSWER.slice(0, 40)));
  }
  assert.equal(sent.length, 3);
  assert.equal(new Set(sent).size, 3, "no two are alike");
  for (const header of sent) {
    assert.match(header, /^kf1\.[\w-]+\.[\w-]+\.[\w-]+\.[\w-]+\.[\w-]+$/);
    assert.equal(leaked(header, CANARY.openai), undefined);
  }

  const replayed = await fetch(`${relay.origin}/providers/openai/v1/chat/completions`, {
    method: "POST",
    headers: { "x-byok-key": sent[0] ?? "", "x-byok-provider": "openai", "content-type": "application/json" },
    body: JSON.stringify({ model: "gpt-4o-mini", messages: [{ role: "user", content: "Again" }] }),
  });
  assert.equal(replayed.status, 400);
  assert.equal((await replayed.json()).code, "replayed");
  assert.equal(standin.getRequests().length, 3, "the replay reached no provider");
  assert.equal(leaked(relay.logs(), CANARY.openai), undefined);
  await context.close();
});

test("a plain key is refused where sealing is required", async () => {
  const answer = await fetch(`${relay.origin}/providers/openai/v1/models`, {
    headers: { "x-byok-key": CANARY.openai },
  });
  assert.equal((await answer.json()).code, "sealed_required");
});

test("a relay with another identity gets no key", async () => {
  const other = await keygen("--identity");
  const { context, sent, ask } = await opened(other.shown);
  const answer = await ask();
  assert.equal(JSON.parse(answer.body).code, "relay_downgraded");
  assert.deepEqual(sent, []);
  await context.close();
});

test("once pinned, a relay that no longer seals gets no key", async () => {
  const { context, sent, ask } = await opened(undefined);
  assert.equal((await ask()).status, 200);
  await relay.stop();
  relay = await startRelay({ port, provider: standin.url });
  const before = sent.length;
  // The sealing keys it knows may serve a while yet; the relay that cannot open them sends it back.
  const answer = await ask();
  assert.equal(JSON.parse(answer.body).code, "relay_downgraded", answer.body);
  assert.ok(sent.slice(before).every((header) => header.startsWith("kf1.")));
  await context.close();
});

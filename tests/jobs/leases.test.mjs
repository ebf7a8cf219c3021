// The examples of work that goes on without the person's key: an app's server route and two workers, each
// with the handle of a lease that a real vault made. By hand: npm ci in examples/ first.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { launch } from "../support/chromium.mjs";
import { fillDialog } from "../support/forms.mjs";
import { start } from "../support/program.mjs";
import { environment } from "../support/python.mjs";
import { startRedis } from "../support/redis.mjs";
import { freePort, startRelay } from "../support/relay.mjs";
import { CANARY, leaked } from "../support/stack.mjs";
import { ANSWER, startStandin } from "../support/standin.mjs";
import { stored } from "./site.mjs";

/** @typedef {import("../../vault-wasm/js/src/index.js").LeaseRequest} LeaseRequest */
/** @typedef {import("../../vault-wasm/js/src/index.js").Lease} Lease */

const examples = fileURLToPath(new URL("../../examples/", import.meta.url));
const MODEL = "gpt-4o-mini";
const prompt = "Hello";

/** @type {Awaited<ReturnType<typeof startStandin>>} */
let standin;
/** @type {Awaited<ReturnType<typeof startRedis>>} */
let redis;
/** @type {import("../support/relay.mjs").Relay} */
let relay;
/** @type {Record<"route" | "bullmq" | "python", import("../support/program.mjs").Program>} */
let programs;
/** @type {import("playwright-core").Browser} */
let browser;
/** @type {import("playwright-core").Page} */
let page;
/** Origin of the example app. */
let app = "";

before(async () => {
  const port = await freePort();
  app = `http://localhost:${port}`;
  // Slow enough to be seen streaming. It takes no other key, so an answer proves that the key arrived.
  standin = await startStandin({ keys: [CANARY.openai], latency: 60 });
  redis = await startRedis();
  relay = await startRelay({
    provider: standin.url,
    server: `allowed_origins = ["${app}"]`,
    embedders: [app],
    config: stored(redis.url),
    log: "trace",
  });
  const env = { KEYFERRY_RELAY: relay.origin, REDIS_URL: redis.url };
  const requirements = await readFile(join(examples, "python-worker/requirements.txt"), "utf8");
  const python = join(await environment(requirements.trim().split("\n")), "python");
  programs = {
    route: start("node", ["server.js"], { cwd: join(examples, "lease-node-route"), env: { ...env, PORT: String(port) } }),
    bullmq: start("node", ["worker.js"], { cwd: join(examples, "bullmq-worker"), env }),
    python: start(python, ["worker.py"], { cwd: join(examples, "python-worker"), env }),
  };
  await Promise.all([programs.route.says(app), programs.bullmq.says("waiting for jobs"), programs.python.says("waiting for questions")]);
  browser = await launch();
  page = await (await browser.newContext()).newPage();
  await page.goto(app);
  await page.getByRole("button", { name: "My keys" }).click();
  await fillDialog(page, "openai", CANARY.openai);
});
after(async () => {
  await browser?.close();
  for (const program of Object.values(programs ?? {})) await program.stop();
  await relay?.stop();
  await redis?.stop();
  await standin?.stop();
});

/** Has the page's vault make a lease. @param {Partial<LeaseRequest>} [terms] @returns {Promise<Lease>} */
function lease(terms = {}) {
  return page.evaluate(
    async ([client, relay, terms]) => {
      const { openVault } = await import(String(client));
      return (await openVault({ relay: String(relay) })).lease(terms);
    },
    /** @type {const} */ (["/keyferry/index.js", relay.origin, { provider: "openai", models: [MODEL], ...terms }]),
  );
}

/** A handle that has been good and is so no longer. */
async function endedLease() {
  const { id, handle } = await lease();
  const ended = await fetch(`${relay.origin}/v1/leases/${id}`, { method: "DELETE", headers: { "x-byok-lease": handle } });
  assert.equal(ended.status, 204);
  return handle;
}

/** What each program makes of a handle: the answer, or the code it failed with. */
const ASK = {
  async route(/** @type {string} */ handle) {
    const body = JSON.stringify({ lease: handle, model: MODEL, prompt });
    const response = await fetch(`${app}/api/ask`, { method: "POST", body });
    return response.ok ? response.text() : (await response.json()).code;
  },
  async bullmq(/** @type {string} */ handle) {
    const env = { REDIS_URL: redis.url };
    const input = JSON.stringify({ lease: handle, model: MODEL, prompt });
    const asking = start("node", ["ask.js"], { cwd: join(examples, "bullmq-worker"), env, input });
    await asking.exited;
    return asking.output().trim();
  },
  async python(/** @type {string} */ handle) {
    const id = String(Math.random());
    await redis.command("RPUSH", "questions", JSON.stringify({ id, lease: handle, model: MODEL, prompt }));
    const [, reply = "{}"] = (await redis.command("BLPOP", `answers:${id}`, "20")).split("\n");
    const { text, error } = JSON.parse(reply);
    return text ?? error;
  },
};

/** Answers the relay's log tells of for a path. @param {string} path */
function logged(path) {
  return relay.logs().split("\n").filter((line) => line.includes(path) && line.includes('"status"')).length;
}

/** How many chat completions the relay has answered. Its log is written in order, if not at once: another request marks the end. */
async function asked() {
  const last = "/v1/limits";
  const before = logged(last);
  await fetch(relay.origin + last);
  for (const deadline = Date.now() + 10_000; logged(last) === before; await sleep(10)) {
    if (Date.now() > deadline) throw new Error(`the relay's log does not tell of ${last}`);
  }
  return logged("/v1/chat/completions");
}

test("the app's page asks its own server, whose answer streams", async () => {
  await page.getByLabel("Question").fill(prompt);
  await page.getByRole("button", { name: "Ask" }).click();
  const partly = await page.waitForFunction((whole) => {
    const text = document.querySelector("output")?.textContent ?? "";
    return text !== "" && text.length < whole.length && text;
  }, ANSWER);
  assert.ok(ANSWER.startsWith(String(await partly.jsonValue())));
  await page.waitForFunction((whole) => document.querySelector("output")?.textContent === whole, ANSWER);
});

for (const name of /** @type {const} */ (["route", "bullmq", "python"])) {
  test(`${name}: a handle is enough`, async () => {
    const { handle } = await lease({ maxUsd: 0.05 });
    assert.equal(await ASK[name](handle), ANSWER);
  });

  test(`${name}: a lease that has ended is refused at the first attempt`, async () => {
    const handle = await endedLease();
    const before = await asked();
    assert.equal(await ASK[name](handle), "lease_not_found");
    assert.equal((await asked()) - before, 1, "the SDK does not try again");
  });
}

test("a lease ends by itself, and an SDK is told so once", async () => {
  const { id, handle, expiresAt } = await lease({ ttlSeconds: 1 });
  const show = () => fetch(`${relay.origin}/v1/leases/${id}`, { headers: { "x-byok-lease": handle } });
  while ((await show()).ok) await sleep(50);
  assert.ok(Date.now() >= expiresAt - 50 && Date.now() < expiresAt + 2_000);
  const before = await asked();
  assert.match(await ASK.route(handle), /^lease_(not_found|expired)$/);
  assert.equal((await asked()) - before, 1);
});

test("a lease runs the models it was made for", async () => {
  const { handle } = await lease({ models: ["gpt-4o"] });
  assert.equal(await ASK.route(handle), "lease_scope");
});

test("the BullMQ worker takes the handle out of the job and ends the lease", async () => {
  const { id, handle } = await lease();
  assert.equal(await ASK.bullmq(handle), ANSWER);
  const keys = (await redis.command("KEYS", "bull:questions:[0-9]*")).split("\n");
  const jobs = await Promise.all(keys.map((key) => redis.command("HGETALL", key)));
  assert.ok(jobs.length > 0 && jobs.every((job) => job.includes(prompt)));
  assert.deepEqual(jobs.filter((job) => job.includes("kfl_")), []);
  assert.equal((await fetch(`${relay.origin}/v1/leases/${id}`, { headers: { "x-byok-lease": handle } })).status, 404);
});

test("neither the programs nor Redis nor the relay's log show the key, and no program says a handle", async () => {
  const everything = await redis.everything();
  assert.ok(everything.includes("{lease}") && everything.includes("bull:questions"), "Redis was written to, by all");
  assert.equal(leaked(everything, CANARY.openai), undefined, "Redis");
  assert.equal(leaked(relay.logs(), CANARY.openai), undefined, "the relay's log");
  for (const [name, program] of Object.entries(programs)) {
    const visible = await program.visible();
    assert.ok(visible.includes(relay.origin), "its environment was read");
    assert.equal(leaked(visible, CANARY.openai), undefined, name);
    assert.ok(!visible.includes("kfl_"), `${name} shows a handle`);
  }
});

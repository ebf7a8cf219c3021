// Jobs from end to end: a real vault in its frame in Chromium, the relay with and without Redis and
// workers, and a stand-in provider that can be made to wait.
/// <reference path="../browser/globals.d.ts" />

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";

import { startApp } from "../support/app.mjs";
import { launch } from "../support/chromium.mjs";
import { fillDialog } from "../support/forms.mjs";
import { startGate } from "../support/gate.mjs";
import { start } from "../support/program.mjs";
import { startRedis } from "../support/redis.mjs";
import { binary, freePort, startRelay } from "../support/relay.mjs";
import { CANARY, leaked } from "../support/stack.mjs";
import { ANSWER, startStandin } from "../support/standin.mjs";
import { stored } from "./site.mjs";

/** @typedef {import("playwright-core").Page} Page */
/** @typedef {import("../../vault-wasm/js/src/index.js").Job} Job */
/** @typedef {import("../../vault-wasm/js/src/index.js").JobStatus} JobStatus */

const TRANSCRIPT = "A short recording, transcribed by the stand-in provider.";
const CHAT = /** @type {const} */ ({ kind: "chat", provider: "openai", request: { model: "gpt-4o-mini", messages: [{ role: "user", content: "Hello" }] } });

for (const shared of [false, true]) {
  describe(shared ? "with Redis and a worker" : "in one process", () => {
    /** @type {Awaited<ReturnType<typeof startStandin>>} */
    let standin;
    /** @type {Awaited<ReturnType<typeof startGate>>} */
    let gate;
    /** @type {Awaited<ReturnType<typeof startRedis>> | undefined} */
    let redis;
    /** @type {import("../support/app.mjs").App} */
    let app;
    /** @type {import("../support/relay.mjs").Relay} */
    let relay;
    /** @type {import("../support/program.mjs").Program | undefined} */
    let worker;
    /** @type {import("playwright-core").Browser} */
    let browser;
    let folder = "";

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "keyferry-audio-"));
      // It takes no other key, so an answer proves that the key arrived.
      standin = await startStandin({ keys: [CANARY.openai] });
      gate = await startGate(standin.url);
      app = await startApp();
      if (shared) redis = await startRedis();
      relay = await startRelay({
        provider: gate.url,
        server: `allowed_origins = ["${app.origin}"]`,
        embedders: [app.origin],
        config: redis ? `${stored(redis.url)}[jobs]\naudio = "${pathToFileURL(folder).href}"\nshared = true\n` : "",
        log: "trace",
      });
      if (shared) {
        worker = start(binary, ["worker", "--config", relay.config], { env: { RUST_LOG: "trace" } });
      }
      browser = await launch();
    });
    after(async () => {
      await browser?.close();
      await worker?.stop();
      await relay?.stop();
      await app?.stop();
      await redis?.stop();
      await gate?.stop();
      await standin?.stop();
      await rm(folder, { recursive: true, force: true });
    });

    /** A page of a new profile, with a vault that has a key. @param {import("node:test").TestContext} t */
    async function opened(t, key = CANARY.openai) {
      const context = await browser.newContext();
      t.after(() => context.close());
      const page = await context.newPage();
      await visit(page);
      await page.evaluate(() => void vault.ui.open("keys"));
      await fillDialog(page, "openai", key);
      return page;
    }

    /** @param {Page} page */
    async function visit(page) {
      await page.goto(app.origin);
      await page.waitForFunction("globalThis.ready");
      await page.evaluate(async (relay) => void (globalThis.vault = await kf.openVault({ relay })), relay.origin);
    }

    /** Follows a job to its end. @param {Page} page @param {string} handle @returns {Promise<JobStatus[]>} */
    function follow(page, handle) {
      return page.evaluate(async (handle) => {
        /** @type {JobStatus[]} */
        const told = [];
        Object.assign(globalThis, { told });
        for await (const status of vault.jobs.events(handle)) told.push(status);
        return told;
      }, handle);
    }

    /** @param {Page} page @returns {Promise<Job>} */
    const chat = (page) => page.evaluate((chat) => vault.jobs.create(/** @type {any} */ (chat)), CHAT);

    /** Has the page send a recording. @param {Page} page @param {{ size?: number, then?: boolean }} [options] */
    function record(page, { size = 2_000, then = false } = {}) {
      return page.evaluate(
        async ([size, then]) => {
          const bytes = new Uint8Array(Number(size));
          // A WAV file, as far as its head tells.
          bytes.set(new TextEncoder().encode("RIFF\0\0\0\0WAVEfmt "));
          /** @type {import("../../vault-wasm/js/src/index.js").UploadProgress[]} */
          const seen = [];
          const job = await vault.jobs.create(
            {
              kind: "transcription",
              provider: "openai",
              model: "whisper-1",
              file: new Blob([bytes]),
              ...(then && { then: { model: "gpt-4o-mini", messages: [{ role: "system", content: "Be brief" }] } }),
            },
            { onUploadProgress: (progress) => seen.push(progress) },
          );
          return { job, seen };
        },
        /** @type {const} */ ([size, then]),
      );
    }

    /** What a call in the page is refused with. @param {Page} page @param {string} method @param {unknown} argument */
    function refusal(page, method, argument) {
      return page.evaluate(
        async ([method, argument]) => {
          try {
            await /** @type {any} */ (vault.jobs)[String(method)](argument);
          } catch (error) {
            const { code, detail } = /** @type {any} */ (error);
            return { code, detail };
          }
          return null;
        },
        /** @type {const} */ ([method, argument]),
      );
    }

    /** @param {JobStatus[]} told */
    function assertInOrder(told) {
      const order = ["queued", "active", "completed"];
      const stages = told.map(({ status }) => order.indexOf(status));
      assert.deepEqual(stages, stages.toSorted((a, b) => a - b), JSON.stringify(told));
      assert.equal(told.at(-1)?.status, "completed", JSON.stringify(told.at(-1)));
      assert.ok(told.slice(0, -1).every(({ result }) => result === null));
      const times = told.map(({ updatedAt }) => updatedAt);
      assert.deepEqual(times, times.toSorted((a, b) => a - b));
    }

    test("a chat goes on by itself and is told of as it does", async (t) => {
      const page = await opened(t);
      gate.shut();
      const job = await chat(page);
      assert.match(job.handle, /^kfj_/);
      await gate.reached();
      const told = follow(page, job.handle);
      await page.waitForFunction(() => /** @type {any} */ (globalThis).told?.some((/** @type {JobStatus} */ { status }) => status === "active"));
      gate.open();
      const statuses = await told;
      assertInOrder(statuses);
      const last = statuses.at(-1);
      assert.equal(last?.result?.chat?.choices[0]?.message.content, ANSWER);
      assert.equal(last?.paidBy, "user");
      assert.deepEqual(last?.usage.map(({ step, provider }) => [step, provider]), [["chat", "openai"]]);
      assert.equal(gate.seen(), 1);
      assert.equal((await page.evaluate((handle) => vault.jobs.get(handle), job.handle)).status, "completed");
    });

    test("a recording is seen going up, transcribed, and asked about", async (t) => {
      const page = await opened(t);
      const size = 8 << 20;
      const { job, seen } = await record(page, { size, then: true });
      assert.equal(job.kind, "transcription");
      assert.ok(seen.length > 0 && seen.every(({ total }) => total > size && total < size + 2_000));
      assert.equal(seen.at(-1)?.loaded, seen.at(-1)?.total);
      const statuses = await follow(page, job.handle);
      assertInOrder(statuses);
      const result = statuses.at(-1)?.result;
      assert.equal(result?.transcription?.text, TRANSCRIPT);
      assert.equal(result?.chat?.choices[0]?.message.content, ANSWER);
      const asked = standin.getRequests().at(-1)?.body;
      assert.deepEqual(/** @type {any} */ (asked).messages, [
        { role: "system", content: "Be brief" },
        { role: "user", content: TRANSCRIPT },
      ]);
    });

    test("cancelling hangs up on the provider, and the job is gone", async (t) => {
      const page = await opened(t);
      gate.shut();
      t.after(() => gate.open());
      const { handle } = await chat(page);
      await gate.reached();
      await page.evaluate((handle) => vault.jobs.cancel(handle), handle);
      await gate.hungUp();
      const left = await page.evaluate((handle) => vault.jobs.get(handle).then(({ status }) => status, ({ code }) => code), handle);
      assert.ok(["cancelled", "not_found"].includes(left), left);
    });

    test("a job outlives the lock and the tab", async (t) => {
      const page = await opened(t);
      gate.shut();
      const { handle } = await chat(page);
      await gate.reached();
      await page.evaluate(() => vault.lock());
      assert.equal((await refusal(page, "create", CHAT))?.code, "locked");
      const status = await page.evaluate((handle) => vault.jobs.get(handle).then(({ status }) => status), handle);
      assert.equal(status, "active");
      const next = await page.context().newPage();
      await page.close();
      gate.open();
      await visit(next);
      assert.equal(await next.evaluate(() => vault.state), "locked");
      const statuses = await follow(next, handle);
      assert.equal(statuses.at(-1)?.result?.chat?.choices[0]?.message.content, ANSWER);
    });

    test("a foreign or guessed handle opens nothing", async (t) => {
      const page = await opened(t);
      const [one, two] = [await chat(page), await chat(page)];
      const secret = (/** @type {Job} */ job) => job.handle.split(".")[1];
      for (const handle of [`kfj_${one.id}.${secret(two)}`, `kfj_${two.id}.${secret(one)?.slice(0, -1)}`, "kfj_AAAAAAAAAAAAAAAAAAAAAA.AAAA"]) {
        assert.equal((await refusal(page, "get", handle))?.code, "not_found", handle);
        assert.equal((await refusal(page, "cancel", handle))?.code, "not_found", handle);
      }
      for (const { handle } of [one, two]) assert.equal((await follow(page, handle)).at(-1)?.status, "completed");
      await page.evaluate((handle) => vault.jobs.cancel(handle), one.handle);
      assert.equal((await refusal(page, "get", one.handle))?.code, "not_found", "cancelling a finished job forgets it");
    });

    test("what is no recording is refused, and what the provider refuses fails", async (t) => {
      const page = await opened(t, "sk-proj-of-somebody-whom-the-provider-does-not-know-0123456789");
      const text = await page.evaluate(async () => {
        try {
          await vault.jobs.create({ kind: "transcription", provider: "openai", model: "whisper-1", file: new Blob(["not a recording at all"]) });
        } catch (error) {
          return /** @type {any} */ (error).detail;
        }
        return null;
      });
      assert.deepEqual(text, { status: 400, code: "unsupported_audio" });
      const { handle } = await chat(page);
      const last = (await follow(page, handle)).at(-1);
      assert.equal(last?.status, "failed");
      assert.deepEqual([last?.error?.code, last?.error?.status], ["provider_refused", 401]);
      assert.equal(last?.result, null);
    });

    if (shared) {
      test("events go on over a relay that is killed and comes back (page mode)", async (t) => {
        const options = {
          provider: gate.url,
          server: `allowed_origins = ["${app.origin}"]`,
          config: stored(String(redis?.url)),
          port: await freePort(),
        };
        let other = await startRelay(options);
        t.after(() => other.stop());
        const page = await (await browser.newContext()).newPage();
        t.after(() => page.context().close());
        await page.goto(app.origin);
        await page.waitForFunction("globalThis.ready");
        await page.evaluate(
          async ([relay, key]) => {
            globalThis.vault = await kf.openVault({ relay, mode: "page" });
            await vault.create("correct horse battery staple");
            await vault.keys.add({ provider: "openai", key });
          },
          /** @type {const} */ ([other.origin, CANARY.openai]),
        );
        gate.shut();
        const { handle } = await chat(page);
        await gate.reached();
        const following = follow(page, handle);
        await page.waitForFunction(() => /** @type {any} */ (globalThis).told?.length > 0);
        await other.stop("SIGKILL");
        gate.open();
        other = await startRelay(options);
        const statuses = await following;
        assertInOrder(statuses);
        assert.equal(statuses.at(-1)?.result?.chat?.choices[0]?.message.content, ANSWER);
        assert.equal(gate.seen(), 1, "the provider was asked once");
      });
    }

    test("no key and no handle is in Redis or a log", async () => {
      const logs = relay.logs() + (worker?.output() ?? "");
      const everything = (await redis?.everything()) ?? "";
      assert.match(logs, /\/v1\/jobs/);
      if (shared) assert.ok(everything.includes("bull:") || everything.includes("{lease}"), "Redis was written to");
      for (const [where, text] of Object.entries({ logs, everything })) {
        assert.equal(leaked(text, CANARY.openai), undefined, where);
        assert.equal(/kf[jl]_[\w-]{8,}\./.exec(text)?.[0], undefined, where);
        assert.ok(!text.includes(TRANSCRIPT) && !text.includes("Be brief"), `${where} shows what a job was about`);
      }
    });
  });
}

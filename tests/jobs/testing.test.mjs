// Jobs of `keyferry/testing`, as an app's own tests see them: no browser, no relay.

import assert from "node:assert/strict";
import { test } from "node:test";
import { env } from "node:process";
import { pathToFileURL } from "node:url";

/** @typedef {typeof import("../../vault-wasm/js/src/testing.js")} Testing */
const packaged = env.KEYFERRY_PACKAGE ? pathToFileURL(`${env.KEYFERRY_PACKAGE}/`) : new URL("../../target/npm/keyferry/", import.meta.url);
/** @type {Testing} */
const { createTestVault } = await import(new URL("testing.js", packaged).href);

const KEY = "sk-test-0123456789abcdefghijklmnop";
const keys = [{ provider: "openai", key: KEY }];

test("a chat job runs on what the test answers", async () => {
  /** @type {string[]} */
  const asked = [];
  const vault = await createTestVault({
    keys,
    respond: async (request) => {
      asked.push(`${request.url} ${request.headers.get("x-byok-key")} ${await request.text()}`);
      return Response.json({ choices: [{ message: { content: "Hi" }, finish_reason: "stop" }] });
    },
  });
  const job = await vault.jobs.create({ kind: "chat", request: { model: "openai/gpt-4o", messages: [] } });
  assert.equal(job.status, "queued");
  const told = [];
  for await (const { status, result } of vault.jobs.events(job.handle)) told.push([status, result?.chat?.choices[0]?.message.content]);
  assert.deepEqual(told, [["queued", undefined], ["active", undefined], ["completed", "Hi"]]);
  assert.deepEqual(asked, [`https://relay.test/v1/chat/completions ${KEY} {"model":"openai/gpt-4o","messages":[]}`]);
  assert.equal((await vault.jobs.get(job.handle)).result?.chat?.choices.length, 1);
  await vault.jobs.cancel(job.handle);
  await assert.rejects(vault.jobs.get(job.handle), { code: "not_found" });
});

test("a recording is transcribed, and the transcript asked about", async () => {
  /** @type {unknown[]} */
  const asked = [];
  const vault = await createTestVault({
    keys,
    respond: async (request) => {
      if (!request.url.endsWith("/transcriptions")) {
        asked.push(JSON.parse(await request.text()).messages);
        return Response.json({ choices: [] });
      }
      const form = await request.formData();
      const file = /** @type {File} */ (form.get("file"));
      asked.push([form.get("model"), file.name, await file.text()]);
      return Response.json({ text: "What was said" });
    },
  });
  /** @type {import("../../vault-wasm/js/src/index.js").UploadProgress[]} */
  const seen = [];
  const job = await vault.jobs.create(
    {
      kind: "transcription",
      provider: "openai",
      model: "whisper-1",
      file: new File(["RIFF"], "talk.mp3", { type: "audio/mpeg" }),
      then: { model: "gpt-4o", messages: [{ role: "system", content: "Be brief" }] },
    },
    { onUploadProgress: (progress) => seen.push(progress) },
  );
  let last;
  for await (const status of vault.jobs.events(job.handle)) last = status;
  assert.equal(last?.status, "completed");
  assert.equal(last?.result?.transcription?.text, "What was said");
  assert.ok(seen[0] && seen[0].loaded === seen[0].total && seen[0].total > 4);
  assert.deepEqual(asked, [
    ["whisper-1", "talk.mp3", "RIFF"],
    [{ role: "system", content: "Be brief" }, { role: "user", content: "What was said" }],
  ]);
});

test("a provider's refusal fails the job; a locked vault and a foreign handle are refused", async () => {
  const vault = await createTestVault({ keys, respond: () => Response.json({}, { status: 429 }) });
  const chat = /** @type {const} */ ({ kind: "chat", provider: "openai", request: { model: "gpt-4o", messages: [] } });
  const job = await vault.jobs.create(chat);
  let last;
  for await (const status of vault.jobs.events(job.handle)) last = status;
  assert.equal(last?.status, "failed");
  assert.equal(last?.error?.status, 429);
  await assert.rejects(vault.jobs.get(`${job.handle}x`), { code: "not_found" });
  await assert.rejects(vault.jobs.create({ ...chat, provider: "anthropic" }), { code: "not_found" });
  await vault.lock();
  await assert.rejects(vault.jobs.create(chat), { code: "locked" });
  assert.equal((await vault.jobs.get(job.handle)).status, "failed");
});

test("an aborted wait ends with the signal's reason", async () => {
  const vault = await createTestVault({ keys, respond: () => new Promise(() => undefined) });
  const job = await vault.jobs.create({ kind: "chat", provider: "openai", request: { model: "gpt-4o" } });
  const stop = new AbortController();
  await assert.rejects(async () => {
    for await (const { status } of vault.jobs.events(job.handle, { signal: stop.signal })) {
      if (status === "active") stop.abort(new Error("enough"));
    }
  }, /enough/);
});

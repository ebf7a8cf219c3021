// SDKs on a vault in its frame, where an app's page has neither keys nor worker: streams, uploads, aborts and
// refusals cross from one origin to another.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, test } from "node:test";

import { useDocuments } from "../docs/harness.mjs";
import { dialogOf, dismiss, fillCreate, fillKey } from "../support/forms.mjs";
import { serveGeminiFiles } from "../support/gemini-files.mjs";
import { serveGeminiV1 } from "../support/gemini-v1.mjs";
import { CANARY } from "../support/stack.mjs";
import { ANSWER } from "../support/standin.mjs";
import { slowAnswer } from "./fixtures.mjs";

const { profile, show, standin } = useDocuments({
  fixtures(mock) {
    slowAnswer(mock);
    mock.addFixture({ match: { userMessage: "never" }, response: () => new Promise(() => {}) });
    serveGeminiV1(mock);
    serveGeminiFiles(mock);
  },
});

const APP = `
import { openVault } from "keyferry";
import * as openai from "./apps/openai.js";
import * as google from "./apps/google.js";
import * as refusals from "./apps/refusals.js";
const vault = await openVault({ relay: "http://localhost:8787" });
Object.assign(globalThis, { vault, sdk: { ...openai, ...google, ...refusals } });
`;

/** @type {Promise<import("playwright-core").Page> | undefined} */
let opened;
/** A page whose vault has keys of OpenAI and Google, opened once. */
const app = () => (opened ??= open());
after(async () => (await opened)?.context().close());

async function open() {
  const { page } = await show(await profile(), APP);
  await page.waitForFunction("globalThis.vault");
  const closed = page.evaluate("vault.ui.open('keys')");
  const dialog = dialogOf(page);
  await fillCreate(dialog);
  await fillKey(dialog, "openai", CANARY.openai);
  await fillKey(dialog, "google", CANARY.google);
  await dismiss(page);
  await closed;
  return page;
}

/** Calls an export of an app with the vault. @param {string} name @param {unknown[]} args @returns {Promise<any>} */
async function run(name, ...args) {
  const page = await app();
  standin().clearRequests();
  return page.evaluate(([name, args]) => Object(globalThis).sdk[String(name)](Object(globalThis).vault, .../** @type {unknown[]} */ (args)), [name, args]);
}

test("a chat streams in pieces", async () => {
  const parts = await run("openaiStream");
  assert.equal(parts.join(""), ANSWER);
  assert.ok(parts.length > 5, `${parts.length} pieces`);
});

test("a recording is uploaded and transcribed", async () => {
  assert.match(await run("openaiTranscription"), /transcribed by the stand-in/);
});

test("a large file is uploaded whole", async () => {
  const size = 9_000_000;
  const { uploaded } = await run("googleUpload", size);
  const bytes = Uint8Array.from({ length: size }, (_, i) => i % 251);
  assert.equal(uploaded.sha256Hash, createHash("sha256").update(bytes).digest("base64"));
});

test("an abort ends the answer in the middle, and before it begins", async () => {
  assert.equal(await run("openaiAbort"), 1);
  assert.equal(await run("openaiAbortEarly"), "aborted");
});

test("a key that is missing is a 401, a locked vault a 423, and neither reaches the provider", async () => {
  const missing = await run("outcome", "anthropic", "Hello");
  assert.equal(missing.status, 401);
  await run("lock");
  const locked = await run("outcome", "openai", "Hello");
  assert.equal(locked.status, 423);
  assert.match(locked.message, /locked/i);
  assert.deepEqual(standin().getRequests(), []);
});

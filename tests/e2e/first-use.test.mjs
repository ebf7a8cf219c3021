// The whole thin path, as a person walks it: vault, relay, provider, and back.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { PASSWORD, addKey, chat, createVault, settings, startChat, state, unlock } from "../support/page.mjs";
import { CANARY, startStack } from "../support/stack.mjs";
import { ANSWER } from "../support/standin.mjs";

/** @type {Awaited<ReturnType<typeof startStack>>} */
let stack;

before(async () => {
  // The stand-in takes these keys and no others: an answer proves the swap.
  stack = await startStack({ standin: { keys: [CANARY.openai, CANARY.anthropic] } });
});
after(() => stack?.stop());

test("a key goes from the vault through the relay to its provider, until locked, and again after", async () => {
  const { context, page, complaints } = await stack.open();
  await createVault(page);
  await addKey(page, "openai", CANARY.openai);
  await addKey(page, "anthropic", CANARY.anthropic);

  assert.match(await chat(page, "openai"), new RegExp(ANSWER.slice(0, 40)));
  assert.match(await page.getByTestId("chat-payer").last().innerText(), /your|own/i);
  assert.match(await chat(page, "anthropic"), new RegExp(ANSWER.slice(0, 40)));
  const seen = stack.standin.getRequests().map((r) => r.path);
  assert.deepEqual(seen, ["/v1/chat/completions", "/v1/messages"]);

  await page.getByTestId("lock-button").click();
  await state(page, "locked");
  const refused = await page.evaluate(async () => {
    const specifier = "/keyferry/index.js"; // resolved in the page, not here
    const { openVault } = await import(specifier);
    const vault = await openVault({ relay: location.origin, name: "default" });
    const response = await vault.fetch("/providers/openai/v1/models");
    return { status: response.status, body: await response.json(), retry: response.headers.get("x-should-retry") };
  });
  assert.equal(refused.status, 423);
  assert.equal(refused.body.code, "locked");
  assert.equal(refused.retry, "false");
  assert.equal(stack.standin.getRequests().length, 2, "nothing was sent while locked");

  await page.reload();
  await unlock(page);
  assert.match(await chat(page, "openai"), new RegExp(ANSWER.slice(0, 40)));
  assert.match(await chat(page, "anthropic"), new RegExp(ANSWER.slice(0, 40)));

  assert.deepEqual(complaints, [], "the console stays clean");
  await context.close();
});

test("an answer arrives while it is being made, and stops when told to", async () => {
  const { context, page } = await stack.open();
  await createVault(page);
  await addKey(page, "openai", CANARY.openai);
  await startChat(page, "openai");
  const output = page.getByTestId("chat-output").last();
  await page.waitForFunction(() => {
    const all = document.querySelectorAll('[data-testid="chat-output"]');
    return (all[all.length - 1]?.textContent ?? "").length > 10;
  });
  await page.getByTestId("chat-stop").click();
  await page.locator('[data-testid="chat-output"][data-done="true"]').last().waitFor();
  const partial = await output.innerText();
  assert.ok(partial.length < ANSWER.length, "it was stopped before the end");
  assert.ok(ANSWER.startsWith(partial.trim().slice(0, 10)), "what had arrived is kept");
  await context.close();
});

test("what a person gets wrong is said in words, and nothing is lost", async () => {
  const { context, page } = await stack.open();
  const vault = settings(page);
  const error = vault.getByTestId("error-message").first();

  await vault.getByTestId("create-submit").press("Enter");
  await error.waitFor();
  await vault.getByTestId("create-password").fill("short");
  await vault.getByTestId("create-password-repeat").fill("short");
  await vault.getByTestId("create-submit").press("Enter");
  await vault.locator('[data-testid="error-message"][data-code="weak_password"]').first().waitFor();
  await state(page, "empty");

  await createVault(page);
  await page.getByTestId("nav-settings").click();
  await vault.getByTestId("key-provider").selectOption("openai");
  await vault.getByTestId("key-value").fill("   ");
  await vault.getByTestId("key-submit").press("Enter");
  await error.waitFor();
  assert.equal(await vault.getByTestId("key-row").count(), 0);
  await addKey(page, "openai", CANARY.openai);

  await page.getByTestId("lock-button").click();
  await state(page, "locked");
  await vault.getByTestId("unlock-password").fill("not the right password");
  await vault.getByTestId("unlock-submit").press("Enter");
  await vault.locator('[data-testid="error-message"][data-code="wrong_password"]').first().waitFor();
  await vault.getByTestId("unlock-submit").press("Enter"); // empty or the same: still an answer, not a hang
  await page.waitForTimeout(2_500); // a wrong password delays the next try
  await unlock(page, PASSWORD);
  await page.getByTestId("nav-settings").click();
  await vault.getByTestId("key-row").first().waitFor();

  // A key the provider refuses: the stand-in answers 401.
  await addKey(page, "openrouter", CANARY.openrouter);
  await startChat(page, "openrouter");
  await page.getByTestId("error-message").first().waitFor();
  await context.close();
});

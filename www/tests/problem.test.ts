import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Failure } from "../src/chat/ask";
import { fromRequest, fromVault } from "../src/problem";
import { catalogues, strings } from "../src/strings";
import type { MessageFor } from "../src/vault";

/** As the package has it: words for its own codes only. */
const messageFor: MessageFor = (code) => (code === "relay_changed" ? { title: "Another relay.", next: "Ask." } : null);

const failure = (more: Partial<Failure>): Failure => ({
  code: null,
  provider: "openai",
  status: null,
  message: null,
  retryAfter: null,
  ...more,
});

test("every code of the relay has a sentence", () => {
  const source = readFileSync(`${process.env["KEYFERRY_ROOT"]}/protocol/src/error.rs`, "utf8");
  const codes = [...source.matchAll(/^\s+[A-Z]\w+ "([a-z_]+)" \d{3} /gm)].map(([, code]) => code ?? "");
  assert.ok(codes.length > 40, `found only ${codes.length} codes: has their form changed?`);
  const missing = codes.filter((code) => !Object.hasOwn(strings.requestProblems, code));
  assert.deepEqual(missing, []);
});

test("every sentence says what happened and what to do, in every language", () => {
  for (const { requestProblems } of Object.values(catalogues)) {
    for (const [code, { title, next }] of Object.entries(requestProblems)) {
      assert.match(title, /\.$/, code);
      assert.match(next, /\.$/, code);
    }
  }
});

test("every language has every sentence, of the same kind", () => {
  const shape = (value: unknown): unknown =>
    typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shape(inner)])) : typeof value;
  for (const catalogue of Object.values(catalogues)) assert.deepEqual(shape(catalogue), shape(strings));
});

test("vault errors keep their code and have the package's words", () => {
  assert.deepEqual(fromVault({ code: "relay_changed", field: "relay" }, messageFor), {
    title: "Another relay.",
    next: "Ask.",
    code: "relay_changed",
    detail: null,
    action: null,
  });
});

test("anything else thrown is said to be unexpected, without quoting it", () => {
  for (const thrown of [new Error("sk-secret"), null, undefined, "sk-secret", { code: 7 }, { code: "constructor" }]) {
    const problem = fromVault(thrown, messageFor);
    assert.equal(problem.title, strings.unexpected.title);
    assert.doesNotMatch(JSON.stringify(problem), /sk-secret/);
  }
});

test("relay codes lead to the step that helps", () => {
  assert.equal(fromRequest(failure({ code: "missing_key", status: 401 }), "OpenAI", messageFor).action, "add-key");
  assert.equal(fromRequest(failure({ code: "locked", status: 423 }), "OpenAI", messageFor).action, "unlock");
  assert.equal(fromRequest(failure({ code: "provider_unreachable", status: 502 }), "OpenAI", messageFor).action, "retry");
});

test("a code newer than this page still shows itself and its message", () => {
  const problem = fromRequest(failure({ code: "brand_new", message: "Explanation" }), "OpenAI", messageFor);
  assert.equal(problem.code, "brand_new");
  assert.match(problem.detail ?? "", /Explanation.*brand_new/);
});

test("a provider's refusal is told by status, with its own words", () => {
  const problem = fromRequest(failure({ status: 429, message: "Slow down", retryAfter: 20 }), "OpenAI", messageFor);
  assert.equal(problem.title, "OpenAI asks you to slow down.");
  assert.equal(problem.detail, "OpenAI said: Slow down Wait 20 seconds.");
  assert.equal(fromRequest(failure({ status: 529 }), "Anthropic", messageFor).title, "Anthropic has a problem right now.");
  assert.equal(fromRequest(failure({ status: 418 }), "Groq", messageFor).title, "Groq answered with an error.");
});

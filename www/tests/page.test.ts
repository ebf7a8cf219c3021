import assert from "node:assert/strict";
import { test } from "node:test";
import { Conversation } from "../src/chat/conversation";
import { lastSentenceEnd } from "../src/chat/sentences";
import { timeLeft as words } from "../../vault-wasm/js/src/elements/base/time-left";
import { en } from "../../vault-wasm/js/src/elements/strings/en";

test("a request carries the answered exchanges before it, and only those", () => {
  const conversation = new Conversation();
  const first = conversation.ask("one");
  first.answer = "1";
  conversation.ask("failed without a word");
  const third = conversation.ask("three");
  third.answer = "half an ans";
  const fourth = conversation.ask("four");
  assert.deepEqual(conversation.turnsFor(fourth), [
    { role: "user", text: "one" },
    { role: "assistant", text: "1" },
    { role: "user", text: "three" },
    { role: "assistant", text: "half an ans" },
    { role: "user", text: "four" },
  ]);
  // Asking an earlier question again does not show the provider what came after.
  assert.equal(conversation.turnsFor(third).at(-1)?.text, "three");
  conversation.clear();
  assert.equal(conversation.isEmpty, true);
});

test("sentences end at marks and line breaks, not inside numbers or names", () => {
  const said = (text: string): string => text.slice(0, lastSentenceEnd(text));
  assert.equal(said("One. Two"), "One. ");
  assert.equal(said("Version 1.5 is"), "");
  assert.equal(said("Line\nnext"), "Line\n");
  assert.equal(said('He said "yes." Then'), 'He said "yes." ');
  assert.equal(said("一。二"), "一。");
});

test("the countdown gets finer as the end comes near and never goes below nothing", () => {
  const minute = 60_000;
  const timeLeft = (remaining: number): string => words(remaining, en.lock);
  assert.equal(timeLeft(30 * minute), "30 min");
  assert.equal(timeLeft(80 * minute), "1 h 20 min");
  assert.equal(timeLeft(2 * minute), "2 min");
  assert.equal(timeLeft(65_000), "1:05");
  assert.equal(timeLeft(1), "0:01");
  assert.equal(timeLeft(-5), "0:00");
});

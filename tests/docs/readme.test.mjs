// The snippets of README.md, as they stand there.

import assert from "node:assert/strict";
import { test } from "node:test";

import { CANARY } from "../support/stack.mjs";
import { ANSWER } from "../support/standin.mjs";
import { dialogOf, dismiss, fillCreate, fillKey } from "../support/forms.mjs";
import { useDocuments } from "./harness.mjs";
import { readDocument } from "./markdown.mjs";

const readme = await readDocument("README.md");
const { profile, show } = useDocuments();

test("the quick start works when pasted", async () => {
  const { code } = readme.take("Quick start");
  assert.ok(code.split("\n").length < 20, "it is short");
  const context = await profile();
  const { page } = await show(context, code);
  const button = page.getByRole("button", { name: "Say hi" });
  await button.click();
  const dialog = dialogOf(page);
  await fillCreate(dialog);
  await fillKey(dialog, "openai", CANARY.openai);
  await dismiss(page);
  await button.click();
  await page.getByText(ANSWER).waitFor();
  await context.close();
});

test("no snippet is left out", () => readme.assertAllTaken());

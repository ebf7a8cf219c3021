// The snippets of a markdown file, each of which a test has to take.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { marked } from "marked";

/**
 * @typedef {object} Snippet
 * @property {string} language
 * @property {string} heading the one it stands under
 * @property {string} code
 */

/** What is run; the rest shows other languages, output or shells. */
const RUN = new Set(["js", "jsx", "ts", "tsx", "html"]);

/** @param {string} path from the root of the repository */
export async function readDocument(path) {
  const text = await readFile(fileURLToPath(new URL(`../../${path}`, import.meta.url)), "utf8");
  /** @type {Snippet[]} */
  const snippets = [];
  let heading = "";
  for (const token of marked.lexer(text)) {
    if (token.type === "heading") heading = token.text;
    if (token.type === "code" && RUN.has(token.lang ?? "")) snippets.push({ language: token.lang ?? "", heading, code: token.text });
  }
  const left = new Set(snippets);
  return {
    path,
    /** The snippet under `heading`, the nth of them. @param {string} heading */
    take(heading, nth = 0) {
      const snippet = snippets.filter((one) => one.heading === heading)[nth];
      assert.ok(snippet, `${path} has no snippet ${nth} under "${heading}"`);
      left.delete(snippet);
      return snippet;
    },
    /** Fails if a snippet was taken by no test. */
    assertAllTaken() {
      assert.deepEqual([...left].map(({ heading, code }) => `${heading}: ${code.split("\n")[0]}`), [], `${path} has snippets that no test runs`);
    }
  };
}

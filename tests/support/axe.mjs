// Accessibility by axe-core, in every frame of a page.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const source = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** WCAG 2.2 AA and axe's own best practices for what is in a frame. */
const OPTIONS = { runOnly: { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] } };

/** Rules about whole pages, which a part of a page cannot keep. */
const FRAME_RULES = { region: { enabled: false }, "page-has-heading-one": { enabled: false } };

/**
 * Everything axe objects to, one line each: rule, element, why.
 * @param {import("playwright-core").Page} page
 */
export async function violations(page) {
  const found = [];
  for (const frame of page.frames()) {
    const inner = frame !== page.mainFrame();
    if (frame.isDetached() || (inner && !(await (await frame.frameElement()).isVisible()))) continue;
    await frame.evaluate(source);
    const rules = inner ? FRAME_RULES : {};
    /** @type {{violations: {id: string, nodes: {target: unknown, failureSummary: string}[]}[]}} */
    const { violations } = await frame.evaluate(
      ([options, rules]) => /** @type {any} */ (globalThis).axe.run(document, { ...options, rules, iframes: false }),
      [OPTIONS, rules],
    );
    for (const { id, nodes } of violations) {
      for (const { target, failureSummary } of nodes) {
        found.push(`${inner ? "frame" : "page"} ${id} at ${JSON.stringify(target)}: ${failureSummary.replaceAll("\n", " ")}`);
      }
    }
  }
  return found;
}

import assert from "node:assert/strict";
import { test } from "node:test";
import { built } from "./support/build.mjs";
import { useAsAPerson, visit } from "./support/drive.mjs";
import { serveProcess } from "./support/serve.mjs";

/** @param {number} port */
function start(port) {
  const words = ["start", "--hostname", "localhost", "--port", String(port)];
  return serveProcess("next", "../node_modules/next/dist/bin/next", words, port);
}

for (const [bundler, script] of /** @type {const} */ ([["Turbopack", "build"], ["webpack", "build:webpack"]])) {
  for (const [mode, path] of /** @type {const} */ ([["frame", "/"], ["page", "/page-mode"]])) {
    test(`Next.js built by ${bundler}, ${mode} mode`, async (t) => {
      await built("next", script, ".next");
      const visited = await visit(t, start, path);
      const rendered = await (await fetch(visited.page.url())).text();
      assert.match(rendered, /id="state">opening</, "the server rendered the component");
      await useAsAPerson(visited, mode);
    });
  }
}

import { test } from "node:test";
import { useAsAPerson, visit } from "./support/drive.mjs";
import { serveProcess } from "./support/serve.mjs";

test("a page without a build finds the package by its import map", async (t) => {
  await useAsAPerson(await visit(t, (port) => serveProcess("script-tag", "server.js", [], port)));
});

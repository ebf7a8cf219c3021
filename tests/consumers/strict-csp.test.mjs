import { test } from "node:test";
import { useAsAPerson, visit } from "./support/drive.mjs";
import { serveProcess } from "./support/serve.mjs";

test("frame mode under a policy that allows nothing else", async (t) => {
  await useAsAPerson(await visit(t, (port) => serveProcess("strict-csp", "server.js", [], port)));
});

test("page mode under a policy that allows nothing else", async (t) => {
  await useAsAPerson(await visit(t, (port) => serveProcess("strict-csp", "server.js", [], port), "/page-mode.html"), "page");
});

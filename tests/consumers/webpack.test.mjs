import { test } from "node:test";
import { built } from "./support/build.mjs";
import { useAsAPerson, visit } from "./support/drive.mjs";
import { serveFolder } from "./support/serve.mjs";

test("webpack's build, frame mode", async (t) => {
  const folder = await built("webpack");
  await useAsAPerson(await visit(t, (port) => serveFolder(folder, port)));
});

test("webpack's build, page mode", async (t) => {
  const folder = await built("webpack");
  await useAsAPerson(await visit(t, (port) => serveFolder(folder, port), "/page-mode.html"), "page");
});

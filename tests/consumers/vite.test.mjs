import { test } from "node:test";
import { built } from "./support/build.mjs";
import { useAsAPerson, visit } from "./support/drive.mjs";
import { serveFolder, serveProcess } from "./support/serve.mjs";

/** The dev server with what it keeps of packages made anew. @param {number} port */
function dev(port) {
  const words = ["--host", "localhost", "--port", String(port), "--strictPort", "--force"];
  return serveProcess("vite", "../node_modules/vite/bin/vite.js", words, port);
}

test("Vite's dev server, frame mode", async (t) => {
  await useAsAPerson(await visit(t, dev));
});

test("Vite's dev server, page mode", async (t) => {
  await useAsAPerson(await visit(t, dev, "/page-mode.html"), "page");
});

test("Vite's build, frame mode", async (t) => {
  const folder = await built("vite");
  await useAsAPerson(await visit(t, (port) => serveFolder(folder, port)));
});

test("Vite's build, page mode", async (t) => {
  const folder = await built("vite");
  await useAsAPerson(await visit(t, (port) => serveFolder(folder, port), "/page-mode.html"), "page");
});

import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { EXAMPLES } from "./support/build.mjs";
import { useAsAPerson, visit } from "./support/drive.mjs";
import { serveFolder } from "./support/serve.mjs";

test("esbuild leaves file references alone: page mode finds worker and WASM where they were copied", async (t) => {
  const folder = fileURLToPath(new URL("../../target/consumers/esbuild", import.meta.url));
  await mkdir(folder, { recursive: true });
  await build({ entryPoints: [join(EXAMPLES, "vite/page-mode.js")], bundle: true, format: "esm", outdir: folder, logLevel: "error" });
  for (const file of ["worker.js", "keyferry.wasm"]) await copyFile(join(EXAMPLES, "node_modules/keyferry", file), join(folder, file));
  await writeFile(join(folder, "index.html"), await readFile(join(EXAMPLES, "vite/page-mode.html")));
  await useAsAPerson(await visit(t, (port) => serveFolder(folder, port)), "page");
});

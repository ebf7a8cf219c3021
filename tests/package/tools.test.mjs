// What others' tools make of the package.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { build } from "esbuild";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { folder, packed, root } from "./packed.mjs";

test("publint has nothing to say", async () => {
  const { tarball } = await packed;
  const file = await readFile(tarball);
  const { messages, pkg } = await publint({ pack: { tarball: file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength) }, strict: true });
  assert.equal(pkg?.name, "keyferry");
  assert.deepEqual(messages.map((message) => formatMessage(message, pkg, { color: false })), []);
});

test("every entry's types are found by every resolution that has modules", async () => {
  const { tarball } = await packed;
  const attw = join(root, "node_modules/@arethetypeswrong/cli/dist/index.js");
  // The package is an ES module and says so: `require` without modules and the resolution of Node 10 do not apply.
  const { status, stdout, stderr } = spawnSync(process.execPath, [attw, tarball, "--profile", "esm-only", "--format", "json"], { encoding: "utf8", maxBuffer: 1 << 26 });
  assert.equal(status, 0, stdout + stderr);
  const { analysis } = JSON.parse(stdout);
  assert.equal(analysis.types.kind, "included");
  assert.ok(Object.keys(analysis.entrypoints).length >= 7);
});

test("importing an entry where there is no page does nothing", () => {
  const script = `
    const before = new Set(Object.getOwnPropertyNames(globalThis));
    for (const file of ["index", "elements", "inline", "testing"]) await import(process.argv[1] + file + ".js");
    const added = Object.getOwnPropertyNames(globalThis).filter((name) => !before.has(name));
    console.log(JSON.stringify(added.sort()));
  `;
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", script, `file://${folder}/`], {
    encoding: "utf8",
    cwd: root,
  });
  assert.equal(status, 0, stderr);
  // Lit counts its copies on a page in these, and keeps what it knows of properties.
  assert.deepEqual(JSON.parse(stdout), ["litElementVersions", "litHtmlVersions", "litPropertyMetadata", "reactiveElementVersions"]);
});

test("what an app imports and does not use is not in its bundle", async () => {
  const bundle = async (/** @type {string} */ contents) => {
    const { outputFiles } = await build({
      stdin: { contents, resolveDir: folder },
      bundle: true,
      minify: true,
      format: "esm",
      external: ["react"],
      legalComments: "none",
      logLevel: "error",
      write: false,
    });
    return outputFiles[0]?.text ?? "";
  };
  const unused = ["index", "react", "inline", "testing"].map((name) => `import "./${name}.js";`).join("");
  assert.equal(await bundle(unused), "");
  assert.ok((await bundle('export { VaultError } from "./index.js";')).length < 2_000, "the error class alone");
  assert.match(await bundle('import "./elements.js";'), /customElements\.define/);
});

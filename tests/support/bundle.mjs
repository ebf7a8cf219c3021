// An app's build: what its source imports, in one browser script, from the packages of `tests/sdk`.

import { execFile } from "node:child_process";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Where the SDKs are installed. */
export const PACKAGES = fileURLToPath(new URL("../sdk/", import.meta.url));

/** Installs a folder's packages by its lock, unless they are those of the lock already. @param {string} folder */
export async function installed(folder = PACKAGES) {
  const lock = await readFile(join(folder, "package-lock.json"), "utf8");
  const stamp = join(folder, "node_modules/.installed-lock");
  if (lock === (await readFile(stamp, "utf8").catch(() => null))) return;
  await promisify(execFile)("npm", ["ci", "--no-audit", "--no-fund"], { cwd: folder, maxBuffer: 1 << 26 });
  if (!(await stat(join(folder, "node_modules")).catch(() => null))) throw new Error(`npm ci left ${folder} without packages`);
  await writeFile(stamp, lock);
}

const REQUIRE = 'import { createRequire } from "node:module"; const require = createRequire("file:///");';

/**
 * The script a page loads for `source`, or Node.
 * @param {string} source an ES module; its relative imports are resolved in `folder`
 * @param {object} [options]
 * @param {string} [options.folder]
 * @param {"js" | "ts" | "tsx"} [options.loader]
 * @param {Record<string, string>} [options.modules] sources of modules that are no files, by the name they are imported by
 * @param {"browser" | "node"} [options.platform]
 */
export async function bundle(source, { folder = PACKAGES, loader = "js", modules = {}, platform = "browser" } = {}) {
  await installed();
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: folder, loader },
    bundle: true,
    format: "esm",
    platform,
    target: "es2022",
    // What packages for Node call by `require` is there.
    ...(platform === "node" && { banner: { js: REQUIRE } }),
    jsx: "automatic",
    nodePaths: [join(PACKAGES, "node_modules")],
    define: { "process.env.NODE_ENV": '"production"' },
    logLevel: "error",
    plugins: [given(modules, folder)],
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}

/** @param {Record<string, string>} modules @param {string} folder @returns {import("esbuild").Plugin} */
function given(modules, folder) {
  return {
    name: "given",
    setup(setup) {
      setup.onResolve({ filter: /./ }, ({ path }) => (path in modules ? { path, namespace: "given" } : undefined));
      setup.onLoad({ filter: /./, namespace: "given" }, ({ path }) => ({ contents: modules[path] ?? "", resolveDir: folder }));
    },
  };
}

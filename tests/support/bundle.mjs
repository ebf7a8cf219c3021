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

/**
 * The script a page loads for `source`.
 * @param {string} source an ES module; its relative imports are resolved in `folder`
 * @param {{ folder?: string, loader?: "js" | "ts" | "tsx" }} [options]
 */
export async function bundle(source, { folder = PACKAGES, loader = "js" } = {}) {
  await installed();
  const { outputFiles } = await build({
    stdin: { contents: source, resolveDir: folder, loader },
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    jsx: "automatic",
    nodePaths: [join(PACKAGES, "node_modules")],
    define: { "process.env.NODE_ENV": '"production"' },
    logLevel: "error",
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}

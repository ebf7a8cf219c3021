// Builds of the examples, kept while neither the example, its packages nor keyferry has changed.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { env, version } from "node:process";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
export const EXAMPLES = join(root, "examples");

/** What runs in an example: nothing calls home, and colours are no part of a message. */
export const ENVIRONMENT = { ...env, NEXT_TELEMETRY_DISABLED: "1", NO_COLOR: "1", CI: "1" };

/** What builds leave behind in an example's folder. */
const MADE = new Set(["node_modules", "dist", ".next"]);

/**
 * Runs a script of the example's package.json that builds it; gives the folder it filled.
 * @param {string} example its folder's name
 * @param {string} [script]
 * @param {string} [output] the folder, within the example's, that the script fills
 */
export async function built(example, script = "build", output = "dist") {
  const folder = join(EXAMPLES, example);
  const filled = join(folder, output);
  const kept = join(root, "target/consumers", `${example}-${script.replaceAll(":", "-")}`);
  const key = await fingerprint(folder);
  await rm(filled, { recursive: true, force: true });
  if ((await readFile(join(kept, "key"), "utf8").catch(() => null)) !== key) {
    await rm(kept, { recursive: true, force: true });
    await run(folder, "npm", ["run", "--silent", script]);
    // The bundler's own cache is good for the next build, which this one is not kept for.
    await cp(filled, join(kept, "output"), { recursive: true, filter: (from) => from !== join(filled, "cache") });
    await writeFile(join(kept, "key"), key);
  } else {
    await cp(join(kept, "output"), filled, { recursive: true });
  }
  return filled;
}

/** Runs to the end; a failure shows all it said. @param {string} folder @param {string} program @param {string[]} words */
export async function run(folder, program, words) {
  try {
    return (await promisify(execFile)(program, words, { cwd: folder, env: ENVIRONMENT, maxBuffer: 1 << 26 })).stdout;
  } catch (error) {
    const { stdout, stderr } = /** @type {{ stdout: string, stderr: string }} */ (error);
    throw new Error(`${program} ${words.join(" ")} failed in ${folder}:\n${stdout}\n${stderr}`);
  }
}

/** Of everything a build reads. @param {string} folder */
async function fingerprint(folder) {
  const hash = createHash("sha256").update(version);
  const files = [join(EXAMPLES, "package-lock.json"), ...(await within(folder)), ...(await within(join(EXAMPLES, "node_modules/keyferry")))];
  for (const file of files) hash.update(`\0${file}\0`).update(await readFile(file));
  return hash.digest("hex");
}

/** @param {string} folder @returns {Promise<string[]>} */
async function within(folder) {
  const entries = await readdir(folder, { withFileTypes: true });
  const found = await Promise.all(
    entries
      .filter(({ name }) => !MADE.has(name))
      .map((entry) => (entry.isDirectory() ? within(join(folder, entry.name)) : [join(folder, entry.name)])),
  );
  return found.flat().sort();
}

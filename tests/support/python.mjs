// Python programs from PyPI, each set of packages in an environment of its own below `target`.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/**
 * An environment that holds these packages, installed once.
 * @param {string[]} packages `name==version`
 * @returns {Promise<string>} its folder of programs
 */
export async function environment(packages) {
  const folder = join(root, "target/python", packages.map((pinned) => pinned.replace("==", "-")).join("-"));
  const complete = join(folder, "complete");
  if (!existsSync(complete)) {
    process.stdout.write(`installing ${packages.join(", ")}\n`);
    await rm(folder, { recursive: true, force: true });
    const steps = [
      await run("python3", ["-m", "venv", folder]),
      await run(join(folder, "bin/pip"), ["install", "--quiet", ...packages]),
    ];
    if (steps.some((code) => code !== 0)) throw new Error(`${packages.join(", ")} cannot be installed`);
    await writeFile(complete, "");
  }
  return join(folder, "bin");
}

/** Runs a program at the root of the tree; gives its exit code. @param {string} command @param {string[]} args @returns {Promise<number>} */
export function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

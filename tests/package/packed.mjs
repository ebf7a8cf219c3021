// The package as npm packs it, once for a test file.

import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { env } from "node:process";
import { after } from "node:test";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));
/** The built package. */
export const folder = resolve(env.KEYFERRY_PACKAGE ?? join(root, "target/npm/keyferry"));

/** The tarball, and the paths within it. */
export const packed = pack();

async function pack() {
  const place = await mkdtemp(join(tmpdir(), "keyferry-pack-"));
  after(() => rm(place, { recursive: true }));
  const { status, stdout, stderr } = spawnSync("npm", ["pack", "--json", "--pack-destination", place], { cwd: folder, encoding: "utf8" });
  if (status !== 0) throw new Error(`npm pack failed: ${stderr}`);
  /** @type {[{ filename: string, files: { path: string }[] }]} */
  const [{ filename, files }] = JSON.parse(stdout);
  return { tarball: join(place, filename), files: files.map(({ path }) => path) };
}

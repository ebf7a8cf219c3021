// A program of somebody's, run by a test with the environment it is given and no other.

import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { env } from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

/** Nothing of the test's own environment but where programs are. */
const BASE = { PATH: env.PATH, HOME: env.HOME };
const START_MS = 20_000;
const STOP_MS = 5_000;

/**
 * @typedef {object} Program
 * @property {() => string} output everything it has written so far
 * @property {Promise<number | null>} exited its exit code
 * @property {(text: string) => Promise<void>} says waits until it has written this
 * @property {() => Promise<string>} visible what others on the machine can see of it: arguments, environment, output
 * @property {() => Promise<void>} stop
 */

/**
 * @param {string} command @param {string[]} args
 * @param {{ cwd?: string, env?: Record<string, string>, input?: string }} [options]
 * @returns {Program}
 */
export function start(command, args, { cwd, env: more = {}, input = "" } = {}) {
  const child = spawn(command, args, { cwd, env: { ...BASE, ...more }, stdio: ["pipe", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (output += chunk));
  child.stdin.end(input);
  /** @type {Promise<number | null>} */
  const exited = new Promise((resolve, reject) => child.once("exit", resolve).once("error", reject));
  return {
    output: () => output,
    exited,
    async says(text) {
      for (const deadline = Date.now() + START_MS; !output.includes(text); await sleep(20)) {
        if (child.exitCode !== null || Date.now() > deadline) throw new Error(`${command} never said "${text}":\n${output}`);
      }
    },
    async visible() {
      const read = (/** @type {string} */ file) => readFile(`/proc/${child.pid}/${file}`, "utf8");
      return [await read("cmdline"), await read("environ"), output].join("\n");
    },
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill();
      const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      await exited;
      clearTimeout(late);
    },
  };
}

import { VaultError } from "../errors.js";
import type { JobsBase } from "../client/jobs.js";
import { until } from "../client/until.js";
import { ask, at } from "./relay.js";
import { eventData } from "./sse.js";
import type { JobStatus } from "./types.js";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const FINAL: readonly string[] = ["completed", "failed", "cancelled"];

/** Failures that pass: the network's, and those of a vault that is locked at this very moment. */
const PASSING: readonly string[] = ["network", "locked"];

export async function* events(
  base: JobsBase,
  handle: string,
  options: { signal?: AbortSignal } = {},
): AsyncGenerator<JobStatus, void, void> {
  const { path, headers } = at(handle);
  const signal = options.signal ?? null;
  let told = "";
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    signal?.throwIfAborted();
    try {
      const response = await ask(base, ["GET", `${path}/events`], headers, signal);
      for await (const text of eventData(response)) {
        wait = FIRST_WAIT_MS;
        // A new connection begins with what the last one may have told already.
        if (text === told) continue;
        told = text;
        const status: JobStatus = JSON.parse(text);
        yield status;
        if (FINAL.includes(status.status)) return;
      }
    } catch (thrown) {
      signal?.throwIfAborted();
      if (!passes(thrown)) throw thrown;
    }
    await until(signal, new Promise((resolve) => setTimeout(resolve, wait)));
  }
}

function passes(thrown: unknown): boolean {
  if (!(thrown instanceof VaultError)) return thrown instanceof TypeError;
  const status = (thrown.detail as { status?: number } | undefined)?.status ?? 0;
  return PASSING.includes(thrown.code) || status === 429 || status >= 500;
}

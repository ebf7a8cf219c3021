import { VaultError } from "../errors.js";
import type { JobsBase } from "../client/jobs.js";
import type { OnProgress } from "../client/link.js";
import { toResponse } from "../client/response.js";
import type { WireRequest } from "../wire.js";

const HANDLE = /^kfj_([\w-]+)\.[\w-]+$/;

/** Asks the relay something that takes no key; `path` is below `/v1/`. Rejects with a VaultError unless it answers 2xx. */
export async function ask(
  { link, relay }: JobsBase,
  [method, path]: [method: string, path: string],
  headers: { [name: string]: string },
  signal: AbortSignal | null = null,
  body: WireRequest["body"] = null,
  progress?: OnProgress,
): Promise<Response> {
  const url = new URL(`${relay.replace(/\/$/, "")}/v1/${path}`).href;
  const answer = await link.request({ url, method, headers: Object.entries(headers), body }, signal, progress);
  if ("refusal" in answer) throw refused(answer.refusal.status, answer.refusal);
  const response = toResponse(answer.head, answer.body, answer.done, method, signal);
  if (!response.ok) throw refusedBy(response.status, await response.text());
  return response;
}

/** The way to a job and the header that opens it. */
export function at(handle: string): { path: string; headers: { [name: string]: string } } {
  const [, id] = HANDLE.exec(handle) ?? [];
  if (!id) throw wrong("handle");
  return { path: `jobs/${id}`, headers: { "x-byok-job": handle } };
}

/** What a call with a missing or malformed `field` gets. */
export function wrong(field: string): VaultError {
  return new VaultError("bad_argument", `The job's ${field} is missing or malformed.`, { field });
}

/** The relay's error body as a VaultError. */
function refusedBy(status: number, body: string): VaultError {
  try {
    const { code, detail }: { code?: unknown; detail?: unknown } = JSON.parse(body);
    return refused(status, { code: String(code), message: String(detail) });
  } catch {
    // What stands in front of the relay answers in its own way.
    return refused(status, { message: `The relay answered ${status}.` });
  }
}

function refused(status: number, { code, message }: { code?: string; message: string }): VaultError {
  return new VaultError(code === "job_not_found" ? "not_found" : "relay_refused", message, { detail: { status, code } });
}

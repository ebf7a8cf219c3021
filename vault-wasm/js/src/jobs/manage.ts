import type { JobsBase } from "../client/jobs.js";
import { ask, at } from "./relay.js";
import type { JobStatus } from "./types.js";

export async function get(base: JobsBase, handle: string): Promise<JobStatus> {
  const { path, headers } = at(handle);
  return (await ask(base, ["GET", path], headers)).json();
}

export async function cancel(base: JobsBase, handle: string): Promise<void> {
  const { path, headers } = at(handle);
  await ask(base, ["DELETE", path], headers);
}

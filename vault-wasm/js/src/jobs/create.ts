import type { JobsBase } from "../client/jobs.js";
import type { Lease } from "../types.js";
import { cancel } from "./manage.js";
import { ask, at, wrong } from "./relay.js";
import type { Job, JobOptions, JobRequest } from "./types.js";

/**
 * Makes a job in steps, of which only the first, the lease's, carries the
 * key: the job is made with the lease, and the recording goes to the job.
 */
export async function create(base: JobsBase, request: JobRequest, { signal, onUploadProgress }: JobOptions = {}): Promise<Job> {
  const { link } = base;
  signal?.throwIfAborted();
  check(request);
  const models = modelsOf(request);
  const provider = request.provider ?? providerIn(base, models[0]);
  const lease = await link.call("lease", { provider, models });
  let job: Job;
  try {
    const body = new TextEncoder().encode(JSON.stringify(described(request)));
    const headers = { "content-type": "application/json", "x-byok-lease": lease.handle, "x-byok-provider": provider };
    job = await (await ask(base, ["POST", "jobs"], headers, signal ?? null, body)).json();
  } catch (thrown) {
    forget(base, lease);
    throw thrown;
  }
  if (request.kind === "chat") return job;
  try {
    const { path, headers } = at(job.handle);
    const typed = { ...headers, "content-type": request.file.type || "application/octet-stream" };
    const answer = await ask(base, ["PUT", `${path}/file`], typed, signal ?? null, request.file, (progress) => onUploadProgress?.(progress));
    return { ...job, status: (await answer.json()).status };
  } catch (thrown) {
    // A job without its recording is of no use to anybody.
    void cancel(base, job.handle).catch(() => undefined);
    throw thrown;
  }
}

/** Plain JavaScript gets no help from the types, and a lease should not be made in vain. */
function check(request: JobRequest): void {
  const field =
    request.kind === "chat"
      ? typeof request.request?.model !== "string" && "request"
      : (typeof request.model !== "string" && "model") || (!(request.file instanceof Blob) && "file");
  if (field) throw wrong(field);
}

/** The job as the relay is told of it; a recording follows by itself. */
function described(request: JobRequest): object {
  if (request.kind === "chat") return { kind: request.kind, request: request.request };
  const { kind, file, model, language, prompt, responseFormat, temperature, timestampGranularities, then } = request;
  return {
    kind,
    // Providers tell the format by the name's ending.
    filename: file instanceof File ? file.name : `recording.${extension(file.type)}`,
    model,
    language,
    prompt,
    response_format: responseFormat,
    temperature,
    timestamp_granularities: timestampGranularities,
    then,
  };
}

function modelsOf(request: JobRequest): string[] {
  if (request.kind === "chat") return [request.request.model];
  return request.then ? [request.model, request.then.model] : [request.model];
}

/** The provider a model's name begins with. Which provider has which bare name is the relay's to know. */
function providerIn({ link }: JobsBase, model: string | undefined): string {
  const prefix = model?.split("/")[0];
  const named = link.snapshot.providers.find(({ id }) => id === prefix && id !== model);
  if (named) return named.id;
  throw wrong("provider");
}

/** `audio/webm;codecs=opus` is a `webm`. */
function extension(type: string): string {
  const subtype = /^\w+\/(?:x-)?(\w+)/.exec(type)?.[1] ?? "";
  return { mpeg: "mp3", wave: "wav", "": "webm" }[subtype] ?? subtype;
}

/** Ends a lease that no job took over; else it would end by itself. */
function forget(base: JobsBase, { id, handle }: Lease): void {
  ask(base, ["DELETE", `leases/${id}`], { "x-byok-lease": handle }).catch(() => undefined);
}

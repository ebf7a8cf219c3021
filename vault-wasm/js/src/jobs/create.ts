import type { JobsBase } from "../client/jobs.js";
import type { OnProgress } from "../client/link.js";
import type { WireRequest } from "../wire.js";
import { ask, wrong } from "./relay.js";
import type { Job, JobOptions, JobRequest, TranscriptionJob } from "./types.js";

/**
 * Makes a job in two steps, of which the first, the lease's, carries the key.
 * The second may be large and seen going up, by a way that cannot refuse
 * redirects: what it carries is good for this job's models and five minutes,
 * and is ended at once when anything goes wrong.
 */
export async function create(base: JobsBase, request: JobRequest, { signal, onUploadProgress }: JobOptions = {}): Promise<Job> {
  signal?.throwIfAborted();
  check(request);
  const models = modelsOf(request);
  const provider = request.provider ?? providerIn(base, models[0]);
  const lease = await base.link.call("lease", { provider, models });
  try {
    const { type, body, watched } = await written(request, onUploadProgress);
    const headers = { "content-type": type, "x-byok-lease": lease.handle, "x-byok-provider": provider };
    return await (await ask(base, ["POST", "jobs"], headers, signal ?? null, body, watched)).json();
  } catch (thrown) {
    ask(base, ["DELETE", `leases/${lease.id}`], { "x-byok-lease": lease.handle }).catch(() => undefined);
    throw thrown;
  }
}

/** Plain JavaScript gets no help from the types, and a lease should not be made in vain. */
function check(request: JobRequest): void {
  const field =
    request.kind === "chat"
      ? typeof request.request?.model !== "string" && "request"
      : (typeof request.model !== "string" && "model") || (!(request.file?.size >= 0) && "file");
  if (field) throw wrong(field);
}

interface Written {
  type: string;
  body: NonNullable<WireRequest["body"]>;
  watched: OnProgress | undefined;
}

async function written(request: JobRequest, watched: OnProgress | undefined): Promise<Written> {
  if (request.kind === "chat") {
    const { kind, request: chat } = request;
    return { type: "application/json", body: new TextEncoder().encode(JSON.stringify({ kind, request: chat })), watched: undefined };
  }
  // A Response knows how a form is written.
  const response = new Response(form(request));
  return { type: response.headers.get("content-type") ?? "", body: await response.blob(), watched };
}

/** The recording comes last, so that the relay knows what it is for. */
function form({ kind, file, model, language, prompt, responseFormat, temperature, timestampGranularities, then }: TranscriptionJob): FormData {
  const form = new FormData();
  const fields = { kind, model, language, prompt, response_format: responseFormat, temperature, then: then && JSON.stringify(then) };
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) form.append(name, String(value));
  for (const granularity of timestampGranularities ?? []) form.append("timestamp_granularities[]", granularity);
  form.append("file", file);
  return form;
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

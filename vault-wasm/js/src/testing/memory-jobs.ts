import type { ChatRequest, JobStatus } from "../jobs/types.js";
import type { WireRequest } from "../wire.js";

/** Long enough for a test to look twice, if it wants to. */
const LIFE_MS = 3_600_000;
const DONE = { phase: "done", percent: 100 };
const FINAL: readonly string[] = ["completed", "failed", "cancelled"];

/** What a job was made with, in the relay's words. */
interface Description {
  kind: JobStatus["kind"];
  request?: ChatRequest;
  filename?: string;
  model?: string;
  then?: ChatRequest;
  [field: string]: unknown;
}

interface Kept {
  readonly handle: string;
  readonly provider: string;
  readonly description: Description;
  status: JobStatus;
  readonly watchers: Set<() => void>;
}

/** Asks the provider with the person's key. */
export type Send = (path: string, body: string | FormData, provider: string) => Promise<Response>;

/** The relay's jobs in memory: they run at once, on what the test's `respond` answers. */
export class MemoryJobs {
  readonly #jobs = new Map<string, Kept>();
  readonly #send: Send;

  constructor(send: Send) {
    this.#send = send;
  }

  /** Answers what the relay would, for paths below `/v1/jobs`. */
  async answer(method: string, path: string, headers: Headers, body: WireRequest["body"]): Promise<Response> {
    if (method === "POST") {
      const job = this.#create(await new Response(body).json(), headers.get("x-byok-provider") ?? "");
      return Response.json(job, { status: 202 });
    }
    const [, id = "", part] = /^\/v1\/jobs\/([^/]+)(?:\/(file|events))?$/.exec(path) ?? [];
    const job = this.#jobs.get(id);
    if (job?.handle !== headers.get("x-byok-job") || !job) {
      return Response.json({ status: 404, code: "job_not_found", detail: "There is no such job" }, { status: 404 });
    }
    if (part === "events") return new Response(watch(job), { headers: { "content-type": "text/event-stream" } });
    if (part === "file") {
      advance(job, { status: "queued", progress: { phase: "queued", percent: null } });
      void this.#run(job, await new Response(body).blob());
      return Response.json(job.status, { status: 202 });
    }
    if (method !== "DELETE") return Response.json(job.status);
    advance(job, { status: "cancelled", progress: DONE });
    this.#jobs.delete(id);
    return new Response(null, { status: 204 });
  }

  #create(description: Description, provider: string): object {
    const id = `job-${this.#jobs.size + 1}`;
    const now = Date.now();
    const state = description.kind === "chat" ? "queued" : "awaiting_file";
    const status: JobStatus = {
      id,
      kind: description.kind,
      status: state,
      progress: { phase: state, percent: null },
      attempts: 0,
      createdAt: now,
      updatedAt: now,
      expiresAt: now + LIFE_MS,
      result: null,
      error: null,
    };
    const job: Kept = { handle: `kfj_${id}.test`, provider, description, status, watchers: new Set() };
    this.#jobs.set(id, job);
    if (description.kind === "chat") void this.#run(job, null);
    const { createdAt, expiresAt, kind } = status;
    return { id, handle: job.handle, kind, status: state, createdAt, expiresAt };
  }

  async #run(job: Kept, file: Blob | null): Promise<void> {
    const { description } = job;
    // Whoever made the job hears of it first.
    await new Promise((resolve) => setTimeout(resolve));
    try {
      if (!file) return this.#complete(job, { chat: await this.#chat(job, description.request) });
      advance(job, { status: "active", attempts: 1, progress: { phase: "transcribing", percent: null } });
      const transcription = await this.#transcribe(job, file);
      if (!description.then) return this.#complete(job, { transcription });
      const { messages = [], ...rest } = description.then as ChatRequest & { messages?: object[] };
      const chat = await this.#chat(job, { ...rest, messages: [...messages, { role: "user", content: transcription.text }] });
      this.#complete(job, { transcription, chat });
    } catch (thrown) {
      const status = thrown instanceof Response ? thrown.status : 502;
      advance(job, { status: "failed", progress: DONE, error: { code: "provider_error", message: "The provider refused.", status } });
    }
  }

  async #chat(job: Kept, request: ChatRequest | undefined) {
    advance(job, { status: "active", attempts: job.status.attempts + 1, progress: { phase: "analysing", percent: null } });
    const response = await this.#send("/v1/chat/completions", JSON.stringify(request), job.provider);
    if (!response.ok) throw response;
    return response.json();
  }

  async #transcribe(job: Kept, file: Blob): Promise<{ text: string }> {
    const { kind: _, then: __, filename, ...fields } = job.description;
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, String(value));
    form.append("file", file, filename);
    const response = await this.#send("/v1/audio/transcriptions", form, job.provider);
    if (!response.ok) throw response;
    return fields.response_format === "text" ? { text: await response.text() } : response.json();
  }

  #complete(job: Kept, result: JobStatus["result"]): void {
    advance(job, { status: "completed", progress: DONE, result });
  }
}

/** A final state stays. */
function advance(job: Kept, change: Partial<JobStatus>): void {
  if (FINAL.includes(job.status.status)) return;
  job.status = { ...job.status, ...change, updatedAt: Date.now() };
  for (const changed of [...job.watchers]) changed();
}

function watch(job: Kept): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let unwatch = () => {};
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const tell = () => {
        controller.enqueue(encoder.encode(`event: status\ndata: ${JSON.stringify(job.status)}\n\n`));
        if (!FINAL.includes(job.status.status)) return;
        unwatch();
        controller.close();
      };
      unwatch = () => void job.watchers.delete(tell);
      job.watchers.add(tell);
      tell();
    },
    cancel: () => unwatch(),
  });
}

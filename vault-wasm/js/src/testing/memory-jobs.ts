import type { ChatRequest, JobStatus } from "../jobs/types.js";
import type { WireRequest } from "../wire.js";

/** Long enough for a test to look twice, if it wants to. */
const LIFE_MS = 3_600_000;
const DONE = { phase: "done", percent: 100 };
const FINAL: readonly string[] = ["completed", "failed", "cancelled"];

/** What a job is to do. */
type Work = { kind: "chat"; request: ChatRequest } | { kind: "transcription"; form: FormData };

interface Kept {
  readonly handle: string;
  readonly provider: string;
  readonly work: Work;
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
      const sent = new Response(body, { headers });
      const json = headers.get("content-type") === "application/json";
      const work: Work = json ? await sent.json() : { kind: "transcription", form: await sent.formData() };
      return Response.json(this.#create(work, headers.get("x-byok-provider") ?? ""), { status: 202 });
    }
    const [, id = "", events] = /^\/v1\/jobs\/([^/]+)(\/events)?$/.exec(path) ?? [];
    const job = this.#jobs.get(id);
    if (job?.handle !== headers.get("x-byok-job") || !job) {
      return Response.json({ status: 404, code: "job_not_found", detail: "There is no such job" }, { status: 404 });
    }
    if (events) return new Response(watch(job), { headers: { "content-type": "text/event-stream" } });
    if (method !== "DELETE") return Response.json(job.status);
    advance(job, { status: "cancelled", progress: DONE, error: { code: "job_cancelled", message: "The job was cancelled." } });
    this.#jobs.delete(id);
    return new Response(null, { status: 204 });
  }

  #create(work: Work, provider: string): object {
    const id = `job-${this.#jobs.size + 1}`;
    const createdAt = Date.now();
    const expiresAt = createdAt + LIFE_MS;
    const status: JobStatus = {
      id,
      kind: work.kind,
      status: "queued",
      progress: { phase: "queued", percent: null },
      attempts: 0,
      createdAt,
      updatedAt: createdAt,
      expiresAt,
      result: null,
      error: null,
      usage: [],
      paidBy: null,
    };
    const job: Kept = { handle: `kfj_${id}.test`, provider, work, status, watchers: new Set() };
    this.#jobs.set(id, job);
    void this.#run(job);
    return { id, handle: job.handle, kind: work.kind, status: status.status, createdAt, expiresAt };
  }

  async #run(job: Kept): Promise<void> {
    const { work } = job;
    // Whoever made the job hears of it first.
    await new Promise((resolve) => setTimeout(resolve));
    try {
      if (work.kind === "chat") return complete(job, { chat: await this.#chat(job, work.request) });
      const then = work.form.get("then");
      const transcription = await this.#transcribe(job, work.form);
      if (typeof then !== "string") return complete(job, { transcription });
      const { messages = [], ...rest }: ChatRequest & { messages?: object[] } = JSON.parse(then);
      const chat = await this.#chat(job, { ...rest, messages: [...messages, { role: "user", content: transcription.text }] });
      complete(job, { transcription, chat });
    } catch (thrown) {
      const refused = thrown instanceof Response;
      const error = refused
        ? { code: "provider_refused", message: "The provider refused.", status: thrown.status }
        : { code: "provider_unreachable", message: `The test's answer failed: ${String(thrown)}` };
      advance(job, { status: "failed", progress: DONE, error });
    }
  }

  async #chat(job: Kept, request: ChatRequest) {
    advance(job, { status: "active", attempts: job.status.attempts + 1, progress: { phase: "analysing", percent: null } });
    const response = await this.#send("/v1/chat/completions", JSON.stringify(request), job.provider);
    if (!response.ok) throw response;
    return response.json();
  }

  async #transcribe(job: Kept, form: FormData): Promise<{ text: string }> {
    advance(job, { status: "active", attempts: 1, progress: { phase: "transcribing", percent: null } });
    for (const name of ["kind", "then"]) form.delete(name);
    const response = await this.#send("/v1/audio/transcriptions", form, job.provider);
    if (!response.ok) throw response;
    return form.get("response_format") === "text" ? { text: await response.text() } : response.json();
  }
}

function complete(job: Kept, result: JobStatus["result"]): void {
  advance(job, { status: "completed", progress: DONE, result, paidBy: "user" });
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

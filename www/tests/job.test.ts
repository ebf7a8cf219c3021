import assert from "node:assert/strict";
import { test } from "node:test";
import { transcribe } from "../src/audio/job";
import type { Outcome, Recording } from "../src/audio/job";
import type { JobStatus, TranscriptionJob, Vault } from "../src/vault";

const RECORDING: Recording = { file: new Blob(["sound"]), provider: "openai", model: "whisper-1", analysis: { model: "gpt-4o-mini", task: "Sum up." } };

const status = (more: Partial<JobStatus>): JobStatus => ({
  id: "1",
  kind: "transcription",
  status: "active",
  progress: { phase: "transcribing", percent: null },
  attempts: 1,
  createdAt: 0,
  updatedAt: 0,
  expiresAt: 0,
  result: null,
  error: null,
  usage: [],
  paidBy: null,
  ...more,
});

/** Jobs that tell these states, or refuse to be made. */
function jobs(states: JobStatus[], refusal?: unknown) {
  const seen = { requests: [] as unknown[], cancelled: [] as string[], uploads: [] as number[], phases: [] as string[] };
  const vault = {
    jobs: {
      create: async (request: TranscriptionJob, options?: { onUploadProgress?: (progress: { loaded: number; total: number }) => void }) => {
        if (refusal) throw refusal;
        seen.requests.push(request);
        options?.onUploadProgress?.({ loaded: 1, total: 4 });
        return { id: "1", handle: "kfj_1.secret", kind: "transcription", status: "queued", createdAt: 0, expiresAt: 0 };
      },
      cancel: async (handle: string) => void seen.cancelled.push(handle),
      async *events(_: string, options?: { signal?: AbortSignal }) {
        for (const state of states) {
          yield state;
          options?.signal?.throwIfAborted();
        }
      },
    },
  } as unknown as Pick<Vault, "jobs">;
  const run = (signal = new AbortController().signal, onStatus?: () => void): Promise<Outcome> =>
    transcribe(vault, RECORDING, signal, {
      onUpload: (part) => void seen.uploads.push(part),
      onStatus: ({ progress }) => {
        seen.phases.push(progress.phase);
        onStatus?.();
      },
    });
  return { seen, run };
}

test("a recording goes up and its job is followed to the end", async () => {
  const done = status({ status: "completed", progress: { phase: "done", percent: 100 }, result: { transcription: { text: "Hello." } } });
  const { seen, run } = jobs([status({}), done]);
  assert.deepEqual(await run(), { kind: "completed", status: done });
  assert.deepEqual(seen.uploads, [0.25]);
  assert.deepEqual(seen.phases, ["transcribing", "done"]);
  const { kind, provider, model, then } = seen.requests[0] as TranscriptionJob;
  assert.deepEqual({ kind, provider, model, then }, {
    kind: "transcription",
    provider: "openai",
    model: "whisper-1",
    then: { model: "gpt-4o-mini", messages: [{ role: "system", content: "Sum up." }] },
  });
});

test("cancelling ends the job at the relay too", async () => {
  const controller = new AbortController();
  const { seen, run } = jobs([status({}), status({})]);
  assert.deepEqual(await run(controller.signal, () => controller.abort()), { kind: "cancelled" });
  assert.deepEqual(seen.cancelled, ["kfj_1.secret"]);
});

test("every way to fail ends in a code the page has words for", async () => {
  const code = (outcome: Outcome) => (outcome.kind === "failed" ? outcome.failure : null);
  const failed = (error: JobStatus["error"]) => jobs([status({ status: "failed", error })]).run();
  assert.equal(code(await failed({ code: "lease_expired", message: "Too late" }))?.code, "lease_expired");
  const refused = code(await failed({ code: "provider_refused", message: "No such model", status: 404 }));
  assert.deepEqual({ code: refused?.code, status: refused?.status, message: refused?.message }, { code: null, status: 404, message: "No such model" });
  assert.equal(code(await jobs([status({})]).run())?.code, "job_interrupted");
  assert.equal(code(await jobs([], { code: "locked" }).run())?.code, "locked");
  assert.equal(code(await jobs([], { code: "not_found" }).run())?.code, "missing_key");
  assert.equal(code(await jobs([], { code: "relay_refused", detail: { status: 413, code: "body_too_large" } }).run())?.code, "body_too_large");
});

/** One recording as one job: sent, waited for, and every way in which that can end. */
import type { Failure } from "../chat/ask";
import type { JobStatus, TranscriptionJob, Vault } from "../vault";

export interface Recording {
  readonly file: Blob;
  /** Catalogue id. */
  readonly provider: string;
  /** As that provider calls it. */
  readonly model: string;
  /** What a model of the same provider is to do with the text; null for the text alone. */
  readonly analysis: { readonly model: string; readonly task: string } | null;
}

export interface Listener {
  /** 0–1. */
  onUpload(part: number): void;
  onStatus(status: JobStatus): void;
}

export type Outcome =
  | { readonly kind: "completed"; readonly status: JobStatus }
  | { readonly kind: "cancelled" }
  | { readonly kind: "failed"; readonly failure: Failure };

/** Never rejects. Aborting `signal` ends the job wherever it is. */
export async function transcribe(vault: Pick<Vault, "jobs">, recording: Recording, signal: AbortSignal, listener: Listener): Promise<Outcome> {
  let handle: string | null = null;
  try {
    const job = await vault.jobs.create(requestOf(recording), {
      signal,
      onUploadProgress: ({ loaded, total }) => listener.onUpload(total > 0 ? loaded / total : 0),
    });
    handle = job.handle;
    for await (const status of vault.jobs.events(handle, { signal })) {
      listener.onStatus(status);
      if (status.status === "completed") return { kind: "completed", status };
      if (status.status === "cancelled") return { kind: "cancelled" };
      if (status.status === "failed") return { kind: "failed", failure: failureOf(status.error, recording.provider) };
    }
    return { kind: "failed", failure: failureOf({ code: "job_interrupted" }, recording.provider) };
  } catch (error) {
    if (signal.aborted) {
      // What it had brought so far is of no use to anybody.
      if (handle !== null) await vault.jobs.cancel(handle).catch(() => undefined);
      return { kind: "cancelled" };
    }
    return { kind: "failed", failure: refused(error, recording.provider) };
  }
}

function requestOf({ file, provider, model, analysis }: Recording): TranscriptionJob {
  const job: TranscriptionJob = { kind: "transcription", provider, file, model };
  if (analysis) job.then = { model: analysis.model, messages: [{ role: "system", content: analysis.task }] };
  return job;
}

/** A job's own end. */
function failureOf(error: { code: string; message?: string; status?: number } | null, provider: string): Failure {
  const { code = "internal", message = null, status = null } = error ?? {};
  // A provider's refusal is told by its status, as in the chat.
  return { code: code === "provider_refused" ? null : code, provider, status, message, retryAfter: null };
}

/** A job that was not taken: a VaultError. */
function refused(error: unknown, provider: string): Failure {
  const { code, detail } = (error ?? {}) as { code?: unknown; detail?: { code?: unknown; status?: unknown } };
  const byRelay = code === "relay_refused" && typeof detail?.code === "string" ? detail.code : null;
  const words: { readonly [code: string]: string } = { not_found: "missing_key" };
  const known = typeof code === "string" ? (words[code] ?? code) : "unexpected";
  return { code: byRelay ?? known, provider, status: null, message: null, retryAfter: null };
}

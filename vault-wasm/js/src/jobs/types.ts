/** Jobs: work the relay goes on with by itself, on a lease of the person's key. Times are milliseconds since the epoch. */

/** A request body of OpenAI's chat completions; `stream` has no place in a job. */
export interface ChatRequest {
  model: string;
  [field: string]: unknown;
}

/** A chat completion that is not waited for. */
export interface ChatJob {
  kind: "chat";
  /** Catalogue id. May be left out where the model begins with it: `openai/gpt-4o`. */
  provider?: string;
  request: ChatRequest;
}

/** A recording to be written down, and what is to be made of the transcript. */
export interface TranscriptionJob {
  kind: "transcription";
  /** Catalogue id. May be left out where the model begins with it: `openai/whisper-1`. */
  provider?: string;
  /** The recording: flac, mp3, mp4, mpeg, m4a, ogg, wav or webm, as its bytes tell; at most 25 MB as the relay comes. */
  file: Blob;
  /** `whisper-1`, `gpt-4o-transcribe`, … */
  model: string;
  /** Of the speech: ISO 639-1. */
  language?: string;
  /** Words to expect, or the text that came before. */
  prompt?: string;
  /** Default `"json"`. */
  responseFormat?: "json" | "verbose_json" | "text";
  /** 0–1. */
  temperature?: number;
  /** With `verbose_json`. */
  timestampGranularities?: ("word" | "segment")[];
  /** A chat completion of the same provider; the transcript becomes its last message. */
  then?: ChatRequest;
}

/** What `jobs.create` takes. */
export type JobRequest = ChatJob | TranscriptionJob;

/** How much is on its way, in bytes: of the recording and what little goes with it. */
export interface UploadProgress {
  readonly loaded: number;
  readonly total: number;
}

/** How to create a job. */
export interface JobOptions {
  /** Gives up making it. Once it is made, `jobs.cancel` ends it. */
  signal?: AbortSignal;
  /** Called as the recording goes up. */
  onUploadProgress?: (progress: UploadProgress) => void;
}

/** Where a job stands; between two attempts it is queued again. The last three are final. */
export type JobState = "queued" | "active" | "completed" | "failed" | "cancelled";

/** A job as it was made. */
export interface Job {
  readonly id: string;
  /** Opens the job, to whoever has it and this vault's relay: a secret, to be kept where the app keeps such things. */
  readonly handle: string;
  readonly kind: JobRequest["kind"];
  readonly status: JobState;
  readonly createdAt: number;
  /** When its lease ends, and the job with it if it has not ended before. */
  readonly expiresAt: number;
}

/** What became of a job so far. */
export interface JobStatus {
  readonly id: string;
  readonly kind: JobRequest["kind"];
  readonly status: JobState;
  readonly progress: {
    /** `queued`, `uploading_to_provider`, `transcribing`, `analysing`, `waiting_to_retry`, `done`. */
    readonly phase: string;
    /** 0–100, null where it cannot be told. */
    readonly percent: number | null;
  };
  /** How often the provider was asked. */
  readonly attempts: number;
  readonly createdAt: number;
  readonly updatedAt: number;
  /** When its lease ends; once the job has ended, when the relay forgets it. */
  readonly expiresAt: number;
  /** Null until it is completed. */
  readonly result: JobResult | null;
  /** Null unless it failed or was cancelled. */
  readonly error: JobError | null;
  /** What its calls used; empty until it is completed. */
  readonly usage: readonly JobUsage[];
  /** Who paid: `user`. Null until somebody has. */
  readonly paidBy: string | null;
}

/** A chat completion as the provider sent it; cast it to your SDK's type for the rest. */
export interface ChatAnswer {
  readonly choices: readonly {
    readonly message: { readonly content: string | null; readonly [field: string]: unknown };
    readonly finish_reason: string;
    readonly [field: string]: unknown;
  }[];
  readonly [field: string]: unknown;
}

/** What the provider answered. */
export interface JobResult {
  /** The transcript, in the form that was asked for; plain text as `{ text }`. */
  readonly transcription?: { readonly text: string; readonly [field: string]: unknown };
  readonly chat?: ChatAnswer;
}

/** What one call of a job used, as far as known. */
export interface JobUsage {
  readonly step: "transcription" | "chat";
  readonly provider: string;
  readonly model: string | null;
  readonly inputTokens: number | null;
  readonly cachedTokens: number | null;
  readonly outputTokens: number | null;
  readonly audioSeconds: number | null;
  /** US dollars. */
  readonly costUsd: number | null;
}

/** Why a job failed. */
export interface JobError {
  /** `provider_refused`, `lease_expired`, `audio_missing`, `job_interrupted`, `job_cancelled`, or another code of the relay's. */
  readonly code: string;
  /** For people. */
  readonly message: string;
  /** The provider's status, where it refused. */
  readonly status?: number;
}

/** `vault.jobs`: work that goes on at the relay, on a lease of the person's key, whatever becomes of this page. */
export interface Jobs {
  /**
   * Hands a job to the relay, with a lease for its models and five minutes. Resolves once the relay has all of it.
   * Codes: `locked`, `not_found` (no usable key), `bad_argument`, `network`, `relay_refused` (`detail` has the relay's
   * `status` and `code`). Rejects with the signal's reason.
   */
  create(request: JobRequest, options?: JobOptions): Promise<Job>;
  /** How a job stands. Codes: `not_found` (never there, or forgotten), `bad_argument`, `network`, `relay_refused`. */
  get(handle: string): Promise<JobStatus>;
  /** Ends a job, and has its result forgotten where there is one. Codes: those of `get`. */
  cancel(handle: string): Promise<void>;
  /**
   * How a job stands now and whenever that changes, up to its final state. Connections that break are made anew.
   * Codes: `not_found`, `bad_argument`, `relay_refused`, `closed`. Ends with the signal's reason.
   */
  events(handle: string, options?: { signal?: AbortSignal }): AsyncGenerator<JobStatus, void, void>;
}

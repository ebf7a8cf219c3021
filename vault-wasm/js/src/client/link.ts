import type { VaultError } from "../errors.js";
import type { OpArgs, OpName, OpResult } from "../ops.js";
import type { Head, Refusal, VaultEventType, WireRequest } from "../wire.js";
import type { Snapshot, UploadProgress } from "../types.js";

/** Where the chunks of an answer come from. */
export interface BodySource {
  read(): Promise<{ done: boolean; value?: Uint8Array<ArrayBuffer> | undefined }>;
  /** Gives up the rest; never rejects. */
  cancel(): Promise<void>;
}

/** An answer whose body has not been read. `done` tells the other side that it has been, or never will be. */
export type Answer = { head: Head; body: BodySource | null; done: () => void } | { refusal: Refusal };

/** Hears how much of a request's body is on its way. */
export type OnProgress = (progress: UploadProgress) => void;

/** What a link tells the vault object it belongs to. */
export interface LinkEvents {
  snapshot(snapshot: Snapshot): void;
  event(type: VaultEventType, detail: unknown): void;
  /** Nothing more will come: closed, retired, or the worker died. */
  gone(why: VaultError): void;
}

/** Calls an operation. Rejects with a VaultError. */
export type Call = <K extends OpName>(op: K, args: OpArgs<K>) => Promise<OpResult<K>>;

/** The way to a vault: a worker's port, or memory in tests. */
export interface Link {
  /** The snapshot at the time of connecting. */
  readonly snapshot: Snapshot;
  listen(events: LinkEvents): void;
  /** Rejects with a VaultError. */
  call<K extends OpName>(op: K, args: OpArgs<K>): Promise<OpResult<K>>;
  /** Rejects with the signal's reason, or with a VaultError. `progress` is for making jobs, which takes no key. */
  request(request: WireRequest, signal: AbortSignal | null, progress?: OnProgress): Promise<Answer>;
  /** A new port to the same vault that can use it but not manage it. */
  share(): MessagePort;
  hidden(hidden: boolean): void;
  close(): void;
}

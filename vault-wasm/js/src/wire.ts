/**
 * The messages between a page and the worker. Either side drops what it does
 * not understand. `hello` keeps its `t` and `v` for ever, so that any two
 * versions can tell each other apart.
 */
import type { Failure } from "./errors.js";
import type { OpName } from "./ops.js";
import type { Snapshot, UploadProgress } from "./types.js";

/** Raised whenever a message changes its meaning or shape. */
export const PROTOCOL_VERSION = 1;

/** A page that hears nothing from its worker for this long gives up. */
export const START_TIMEOUT_MS = 5_000;
/** Fetching and compiling the WASM and opening the database may take longer than starting a script. */
export const OPEN_TIMEOUT_MS = 30_000;

/**
 * Chunks of an answer the worker may send ahead of the reader. Chunks, and not
 * a transferred stream: their buffers are moved where a stream's are copied
 * (in Chromium 156, 516 MB/s against 320, plain fetch 675), and every browser
 * can.
 */
export const CHUNK_WINDOW = 16;

/** What a port may do: everything, or spend and watch. */
export type Capability = "owner" | "use";

export interface Hello {
  t: "hello";
  v: number;
  /** The vault's name. */
  name: string;
  /** Absolute URL. */
  relay: string;
  relayKey: string | undefined;
  autoLockMinutes: number | undefined;
  /** Where the WASM is, or the file itself. */
  wasm: string | ArrayBuffer;
  /** Name of a Web Lock the page holds while it lives; null where there are none. */
  life: string | null;
  capability: Capability;
  /** Whether the app gives a token for the relay. */
  token: boolean;
  hidden: boolean;
}

/** A request as it crosses the port. */
export interface WireRequest {
  url: string;
  method: string;
  headers: [string, string][];
  body: null | Uint8Array<ArrayBuffer> | Blob;
}

/** The vault refused to send: becomes a Response in the relay's error shape. */
export interface Refusal {
  status: number;
  code: string;
  message: string;
  /** `error.type` as SDKs know it. */
  kind: string;
  provider?: string | null;
  /** For the `keyneeded` event, when a key is what is needed. */
  reason?: string | null;
}

export type ToWorker =
  | Hello
  | { t: "call"; id: number; op: OpName; args: object }
  | { t: "share"; port: MessagePort }
  /** With `progress`, it makes a job: without a key, and the page hears how it goes up. */
  | { t: "fetch"; id: number; request: WireRequest; progress: boolean }
  | { t: "abort"; id: number }
  /** The page has the whole answer. */
  | { t: "done"; id: number }
  /** The page can take so many chunks more than {@link CHUNK_WINDOW}. */
  | { t: "pull"; id: number; chunks: number }
  | { t: "token"; id: number; value: string | null }
  | { t: "hidden"; hidden: boolean }
  | { t: "bye" };

export type ToPage =
  /** The script runs; the vault is being opened. */
  | { t: "alive"; v: number }
  /** `life` names a Web Lock the worker holds while it lives. */
  | { t: "welcome"; snapshot: Snapshot; life: string | null }
  | { t: "refused"; failure: Failure }
  /** This worker is older than the page and is going away: start another. */
  | { t: "outdated" }
  /** This page must be reloaded; nothing else will come. */
  | { t: "retired"; failure: Failure }
  | { t: "result"; id: number; value: unknown }
  | { t: "failed"; id: number; failure: Failure }
  | { t: "progress"; id: number; progress: UploadProgress }
  /** With a body, chunks follow. */
  | { t: "head"; id: number; head: Head; body: boolean }
  | { t: "refusal"; id: number; refusal: Refusal }
  | { t: "chunk"; id: number; bytes: Uint8Array<ArrayBuffer> }
  | { t: "end"; id: number }
  | { t: "wantToken"; id: number }
  | { t: "snapshot"; snapshot: Snapshot }
  | { t: "event"; type: VaultEventType; detail: unknown };

/** Status line and headers of an answer. */
export interface Head {
  status: number;
  statusText: string;
  headers: [string, string][];
  url: string;
}

export type VaultEventType = "lock" | "unlock" | "change" | "keyneeded" | "keyexpiring" | "lockwarning";

/** Between the workers of one origin, over a BroadcastChannel. */
export type Gossip =
  | { t: "version"; v: number }
  | { t: "lock"; reason: string }
  | { t: "touch" }
  | { t: "changed" };

/** Name under which everything that belongs to one vault is found: worker, database, locks, channel. */
export function scopeOf(name: string): string {
  return `keyferry:${name}`;
}

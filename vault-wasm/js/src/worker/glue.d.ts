/** The wasm-bindgen glue: build.mjs makes this module, with a factory around it, so that each call gives glue of its own. */
import type { OpArgs, OpName, OpResult } from "../ops.js";
import type { Refusal, VaultEventType, WireRequest } from "../wire.js";
import type { Snapshot } from "../types.js";

/** What calls that talk to the relay get besides: the app's token, asked for again when it expired. */
export interface Online {
  appToken?: () => Promise<string>;
}

/** What the WASM exports. */
export interface WasmVault {
  /** Every operation but those that are synchronous. */
  call<K extends Exclude<OpName, "lock" | "touch">>(op: K, args: OpArgs<K> & Online): Promise<OpResult<K>>;
  snapshot(): Omit<Snapshot, "persisted">;
  lock(reason: string): void;
  /** Takes over what other workers wrote; moves no deadline. */
  refresh(): Promise<void>;
  /** Writes what is not written yet, also what a lock left behind; never rejects. */
  flush(): Promise<void>;
  touch(): void;
  wake(): { lockAt: number | null; warnAt: number | null };
  hidden(args: { hidden: boolean }): void;
  fetch(
    request: WireRequest & Online & { signal: AbortSignal },
  ): Promise<{ response: Response; keyId: string | null } | { refusal: Refusal }>;
}

export interface VaultConfig {
  name: string;
  relay: string;
  relayKey?: string;
  autoLockMinutes?: number;
  /** The vault's own to write in. */
  guesses: object;
  emit: (event: { type: VaultEventType; [field: string]: unknown }) => void;
  /** Resolves when the vault may write, with what it calls when it has. */
  turn?: () => Promise<() => void>;
}

export interface Glue {
  /** Instantiates the module anew and returns its memory. Once per glue. */
  start(module: WebAssembly.Module): WebAssembly.Memory;
  Vault: { open(config: VaultConfig): Promise<WasmVault> };
  /** Cuts every way back into the instance: late callbacks of promises and closures do nothing from here on. */
  end(): void;
}

export function createGlue(): Glue;

/** `sha256-…` of the `keyferry.wasm` this worker was built with. */
export const wasmIntegrity: string;

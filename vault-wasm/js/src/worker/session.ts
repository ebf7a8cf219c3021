import { createGlue, type Glue, type VaultConfig, type WasmVault } from "./glue.js";
import type { Failure } from "../errors.js";
import { LOCKED } from "./failure.js";
import { Turns } from "./turns.js";

/** Calls in flight at a lock, and the last write, get this long before their memory goes. */
const SETTLE_MS = 2_000;

/**
 * One WASM instance, from opening to the zeroing of its memory. A lock ends
 * the session; what comes after gets a new one.
 */
export class Session {
  readonly vault: WasmVault;
  readonly #glue: Glue;
  readonly #memory: WebAssembly.Memory;
  readonly #turns: Turns;
  /** Per call in flight: settles it from outside once the instance is gone. */
  readonly #calls = new Map<Promise<unknown>, { reject(failure: Failure): void; locks: boolean }>();
  #ended: Promise<void> | undefined;

  private constructor(glue: Glue, memory: WebAssembly.Memory, turns: Turns, vault: WasmVault) {
    this.#glue = glue;
    this.#memory = memory;
    this.#turns = turns;
    this.vault = vault;
  }

  /** Instantiates the module and opens the database. */
  static async open(module: WebAssembly.Module, config: VaultConfig): Promise<Session> {
    const glue = createGlue();
    const memory = glue.start(module);
    const turns = new Turns(config.name);
    return new Session(glue, memory, turns, await glue.Vault.open({ ...config, turn: () => turns.take() }));
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** Whether calls are in flight. */
  get busy(): boolean {
    return this.#calls.size > 0;
  }

  /** Runs a call. Rejects with `locked` when the session ends first, unless the call `locks` the vault itself. */
  run<T>(call: (vault: WasmVault) => Promise<T> | T, locks = false): Promise<T> {
    if (this.#ended) return Promise.reject(LOCKED);
    return new Promise((resolve, reject) => {
      const running = (async () => call(this.vault))();
      this.#calls.set(running, { reject, locks });
      running.then(resolve, reject).finally(() => this.#calls.delete(running));
    });
  }

  /**
   * Ends every call with `locked`, has `abort` stop what they wait for, waits
   * for the instance to come to rest, fills its memory with zeros and lets go
   * of it. The vault itself must be locked already. Resolves when the memory
   * is zero.
   */
  end(abort: () => void, failure: Failure = LOCKED): Promise<void> {
    return (this.#ended ??= this.#end(abort, failure));
  }

  async #end(abort: () => void, failure: Failure): Promise<void> {
    // The call that found out why the vault must lock gets to say so.
    if (this.busy) await new Promise((resolve) => setTimeout(resolve));
    const calls = [...this.#calls.keys()];
    for (const { reject, locks } of this.#calls.values()) if (!locks) reject(failure);
    abort();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const bound = new Promise((resolve) => (timer = setTimeout(resolve, SETTLE_MS)));
    // The keys are gone; what the lock encrypted with them last has to reach the disk. A trapped instance may throw.
    const written = (async () => this.vault.flush())();
    await Promise.race([Promise.allSettled([...calls, written]), bound]);
    clearTimeout(timer);
    for (const { reject } of this.#calls.values()) reject(failure);
    this.#glue.end();
    this.#turns.end();
    new Uint8Array(this.#memory.buffer).fill(0);
  }
}

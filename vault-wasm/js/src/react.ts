/**
 * A hook for React 18 and later.
 *
 * @packageDocumentation
 */
import { useSyncExternalStore } from "react";
import { VaultError } from "./errors.js";
import { openVault } from "./index.js";
import type { Vault } from "./client/vault.js";
import { SERVER_SNAPSHOT } from "./client/snapshot.js";
import type { OpenOptions, Snapshot, VaultState } from "./types.js";

/** What {@link useVault} gives: the vault's snapshot, and the vault once it is there. */
export interface UseVault extends Omit<Snapshot, "state"> {
  /** `"opening"` until the vault is connected, and on servers. */
  readonly state: VaultState | "opening" | "failed";
  readonly vault: Vault | null;
  /** Why it could not be opened; set when `state` is `"failed"`. */
  readonly error: VaultError | null;
}

const OPENING: UseVault = { ...SERVER_SNAPSHOT, state: "opening", vault: null, error: null };

/** One vault by name, opened when the first component mounts. */
class Store {
  value = OPENING;
  readonly #options: OpenOptions;
  readonly #listeners = new Set<() => void>();

  constructor(options: OpenOptions) {
    this.#options = options;
  }

  readonly subscribe = (changed: () => void): (() => void) => {
    this.#listeners.add(changed);
    if (this.value.vault === null) void this.#open();
    return () => void this.#listeners.delete(changed);
  };

  readonly get = (): UseVault => this.value;

  async #open(): Promise<void> {
    try {
      const vault = await openVault(this.#options);
      const follow = () => this.#set({ ...vault.getSnapshot(), vault, error: null });
      // Several components may have asked for it at once.
      if (this.value.vault === vault) return;
      vault.subscribe(follow);
      follow();
    } catch (error) {
      if (error instanceof VaultError) this.#set({ ...OPENING, state: "failed", error });
      else throw error;
    }
  }

  #set(value: UseVault): void {
    this.value = value;
    for (const changed of [...this.#listeners]) changed();
  }
}

const stores = new Map<string, Store>();

/**
 * The vault and what it shows, kept up to date. Components that give the same
 * name share one vault; the first one's options count.
 */
export function useVault(options: OpenOptions): UseVault {
  const name = options.name ?? "default";
  let store = stores.get(name);
  if (!store) {
    store = new Store(options);
    // On a server nothing is kept: requests of different people share this module.
    if (typeof document !== "undefined") stores.set(name, store);
  }
  return useSyncExternalStore(store.subscribe, store.get, serverValue);
}

function serverValue(): UseVault {
  return OPENING;
}

import type { OpArgs, OpName, OpResult } from "../ops.js";
import type { KeyInfo, NewKey, Provider, SecretInput, Snapshot, Unlock, VaultEvents, VaultState } from "../types.js";
import type { Refusal, VaultEventType } from "../wire.js";
import { PageUi } from "../frame/page-ui.js";
import type { VaultUi } from "../frame/ui.js";
import { vaultFetch } from "./fetch.js";
import { interceptFetch } from "./intercept.js";
import type { Link } from "./link.js";
import { secretBytes } from "./secret.js";
import { SERVER_SNAPSHOT } from "./snapshot.js";

/** Refusals that a person can lift, by unlocking or by adding a key. */
const NEEDS_PERSON = new Set(["locked", "missing_key", "daily_cap_reached"]);

/** An open vault, as `openVault` gives it. */
export class Vault extends EventTarget {
  readonly #link: Link;
  readonly #closed: () => void;
  readonly #subscribers = new Set<() => void>();
  readonly #onVisibility: () => void;
  #snapshot: Snapshot;
  #persisted: boolean | null = null;

  /** The person's keys. Owner ports only; every method rejects with a VaultError. */
  readonly keys = {
    /** Stores a key. Codes: `bad_key_format`, `duplicate_key`, `duplicate_name`, `unknown_provider`, `locked`. */
    add: ({ key, ...fields }: NewKey): Promise<KeyInfo> => this.#call("keysAdd", { ...fields, key: secretBytes(key) }),
    /** Everything about the keys except the keys. */
    list: async (): Promise<KeyInfo[]> => (await this.#call("keysList", {})).keys,
    /** Deletes a key. Codes: `not_found`, `locked`. */
    remove: async (id: string): Promise<void> => void (await this.#call("keysRemove", { id })),
  };

  /** The vault's own dialogs: create, unlock, keys, settings. */
  readonly ui: VaultUi;

  /** @internal */
  constructor(link: Link, closed: () => void, ui?: VaultUi) {
    super();
    this.ui = ui ?? new PageUi(this);
    this.#link = link;
    this.#closed = closed;
    this.#snapshot = link.snapshot;
    link.listen({
      snapshot: (next) => this.#update(next),
      event: (type, detail) => this.#tell(type, detail),
      gone: () => this.#gone(),
    });
    this.#onVisibility = () => link.hidden(document.visibilityState === "hidden");
    globalThis.document?.addEventListener("visibilitychange", this.#onVisibility);
    void this.#askPersisted(false);
  }

  // ---- watching

  /** Whether there is a vault here and whether it is open. */
  get state(): VaultState {
    return this.#snapshot.state;
  }

  /** The catalogue, and for which of it the vault has an active key. */
  providers(): readonly Provider[] {
    return this.#snapshot.providers;
  }

  /** For `useSyncExternalStore`: calls back after each change of the snapshot; returns the unsubscribe. */
  readonly subscribe = (changed: () => void): (() => void) => {
    this.#subscribers.add(changed);
    return () => void this.#subscribers.delete(changed);
  };

  /** The same object until something in it changes. */
  readonly getSnapshot = (): Snapshot => this.#snapshot;

  /** What to render on a server. */
  readonly getServerSnapshot = (): Snapshot => SERVER_SNAPSHOT;

  // ---- using

  /**
   * The standard `fetch`, with the person's key added on the way. Takes URLs
   * under the relay and the providers' own; give it to any SDK. See the guide
   * for what it refuses and how.
   */
  readonly fetch: typeof globalThis.fetch = (input, init) =>
    vaultFetch(this.#link, (refusal) => this.#refused(refusal), input, init);

  /** Routes the page's own `fetch` calls to providers' origins through the vault. Returns the undo. */
  interceptFetch(): () => void {
    return interceptFetch(() => this.providers(), this.fetch);
  }

  /** Locks every tab's view of the vault. Resolves when its memory is zero. */
  async lock(): Promise<void> {
    await this.#call("lock", {});
  }

  /** Tells the vault that somebody is here: moves the idle deadline. */
  touch(): void {
    this.#call("touch", {}).catch(() => undefined);
  }

  /** A port to this vault for another page, which can use it (`openVault({ port })`) but not manage it. */
  share(): MessagePort {
    return this.#link.share();
  }

  /** Lets go of the vault; it stays open for other tabs. */
  close(): void {
    this.#link.close();
  }

  // ---- owning

  /** Makes the vault. Show the recovery code once. Codes: `vault_exists`, `weak_password`, `quota`. */
  async create(password: SecretInput): Promise<{ recoveryCode: string }> {
    const created = await this.#call("create", { password: secretBytes(password) });
    void this.#askPersisted(true);
    return created;
  }

  /** Opens the vault. Codes: `no_vault`, `wrong_password`, `wrong_recovery_code`, `relay_changed`, `corrupt`, `locked`. */
  async unlock(how: Unlock): Promise<void> {
    if ("password" in how) await this.#call("unlock", { password: secretBytes(how.password) });
    else if ("recoveryCode" in how) await this.#call("unlock", { recoveryCode: secretBytes(how.recoveryCode) });
  }

  // ---- from the link

  #update(next: Snapshot): void {
    this.#snapshot = { ...next, persisted: this.#persisted };
    for (const changed of [...this.#subscribers]) changed();
  }

  #tell(type: VaultEventType, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #gone(): void {
    globalThis.document?.removeEventListener("visibilitychange", this.#onVisibility);
    this.#closed();
    const state = this.state === "empty" ? "empty" : "locked";
    this.#update({ ...this.#snapshot, state, lockAt: null, warnAt: null });
  }

  #call<K extends OpName>(op: K, args: OpArgs<K>): Promise<OpResult<K>> {
    return this.#link.call(op, args);
  }

  #refused({ code, provider, reason = code }: Refusal): void {
    if (NEEDS_PERSON.has(code)) this.#tell("keyneeded", { ...(provider && { provider }), reason });
  }

  /** Asks the browser to keep the vault when space runs out, or only whether it will. */
  async #askPersisted(insist: boolean): Promise<void> {
    // The frame asks for its own origin; this page's storage is not the vault's.
    if (this.ui.where === "frame") return;
    const storage = globalThis.navigator?.storage;
    const answer = await (insist ? storage?.persist?.() : storage?.persisted?.())?.catch(() => null);
    if (answer === undefined || answer === this.#persisted) return;
    this.#persisted = answer;
    this.#update(this.#snapshot);
  }
}

/** Typed listeners: the event's `detail` by its name. */
export interface Vault {
  addEventListener<K extends keyof VaultEvents>(
    type: K,
    listener: ((event: CustomEvent<VaultEvents[K]>) => void) | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<K extends keyof VaultEvents>(
    type: K,
    listener: ((event: CustomEvent<VaultEvents[K]>) => void) | null,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions): void;
}

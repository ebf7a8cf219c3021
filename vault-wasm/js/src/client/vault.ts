import type { OpArgs, OpName, OpResult } from "../ops.js";
import type {
  AuditEvent,
  BackupImport,
  Jobs,
  Lease,
  LeaseRequest,
  Provider,
  RekeyOptions,
  Repair,
  SecretInput,
  Settings,
  Snapshot,
  Unlock,
  UsageRow,
  VaultEvents,
  VaultState,
} from "../types.js";
import type { Refusal, VaultEventType } from "../wire.js";
import { PageUi } from "../frame/page-ui.js";
import type { VaultUi } from "../frame/ui.js";
import { vaultFetch } from "./fetch.js";
import { interceptFetch } from "./intercept.js";
import { jobsOf } from "./jobs.js";
import type { Call, Link } from "./link.js";
import { Keys } from "./owner/keys.js";
import { Passkeys } from "./owner/passkeys.js";
import { secretBytes } from "./secret.js";
import { SERVER_SNAPSHOT } from "./snapshot.js";

/** An open vault, as `openVault` gives it. */
export class Vault extends EventTarget {
  readonly #link: Link;
  readonly #closed: () => void;
  readonly #subscribers = new Set<() => void>();
  readonly #onVisibility: () => void;
  #snapshot: Snapshot;
  #persisted: boolean | null = null;

  /** The person's keys. Owner ports only. */
  readonly keys: Keys;
  /** The passkeys that open the vault. Owner ports only. */
  readonly passkeys: Passkeys;
  /** The recovery code. Owner ports only. */
  readonly recovery: {
    /** Replaces the code and the vault key. Codes: `wrong_password`, `passkey_failed`, `locked`. */
    readonly renew: (password: SecretInput, options?: RekeyOptions) => Promise<{ recoveryCode: string }>;
  };

  /** Work that goes on at the relay when this page is gone. */
  readonly jobs: Jobs;

  /** The vault's own dialogs: create, unlock, keys, settings. */
  readonly ui: VaultUi;

  /** The relay it was opened with: its base URL, absolute. */
  readonly relay: string;

  /** @internal */
  constructor(link: Link, closed: () => void, relay: string, ui?: VaultUi) {
    super();
    this.relay = relay;
    this.ui = ui ?? new PageUi(this);
    this.#link = link;
    this.jobs = jobsOf(link, relay);
    this.#closed = closed;
    this.#snapshot = link.snapshot;
    const call: Call = (op, args) => link.call(op, args);
    this.keys = new Keys(call);
    this.passkeys = new Passkeys(call);
    this.recovery = {
      renew: async (password, options = {}) => {
        const passkeys = await this.passkeys.retap(options);
        return call("recoveryRenew", { password: secretBytes(password), passkeys });
      },
    };
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

  /** What the keys were used for, by key and day. `since` in milliseconds since the epoch. Codes: `locked`. */
  async usage(options: { since?: number } = {}): Promise<UsageRow[]> {
    return (await this.#call("usage", options)).rows;
  }

  /** A short-lived handle that the app's own server can use in a key's place. Codes: `locked`, `not_found`, `network`, `relay_refused`. */
  lease(request: LeaseRequest): Promise<Lease> {
    return this.#call("lease", request);
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
    await this.#call("unlock", await this.#proof(how));
  }

  /**
   * Makes the vault's list of its records anew, of every record that still opens, and opens the
   * vault: the way back from `corrupt`. One that is bound to another relay stays locked. Nothing is
   * deleted, unless `drop` is given: then what does not open is, except what a newer version wrote.
   * For the person to decide, since without the list, or against it, nobody can tell whether a key is
   * the latest. Codes: those of {@link unlock} but `relay_changed`, `future_version`, `quota`.
   */
  async repair(how: Unlock, options: { drop?: boolean } = {}): Promise<Repair> {
    return this.#call("repair", { ...options, ...(await this.#proof(how)) });
  }

  async #proof(how: Unlock): Promise<OpArgs<"unlock">> {
    if ("password" in how) return { password: secretBytes(how.password) };
    if ("recoveryCode" in how) return { recoveryCode: secretBytes(how.recoveryCode) };
    return { passkey: await this.passkeys.use() };
  }

  /**
   * Changes the password, and with it the vault key and the recovery code: an
   * old copy of the vault and the old password open nothing that comes after.
   * `old` is the password, or the recovery code of whoever has forgotten it.
   * Codes: `wrong_password`, `wrong_recovery_code`, `weak_password`,
   * `passkey_failed`, `corrupt` (`getSnapshot().damaged` names the keys to be
   * removed first), `locked`.
   */
  async changePassword(old: SecretInput, next: SecretInput, options: RekeyOptions = {}): Promise<{ recoveryCode: string }> {
    const passkeys = await this.passkeys.retap(options);
    return this.#call("changePassword", { old: secretBytes(old), next: secretBytes(next), passkeys });
  }

  /**
   * A backup file under a password of its own, `filePassword`, which opens the keys in it; `password` is the vault's.
   * Codes: `weak_password` (the file's), `wrong_password` (the vault's), `locked`.
   */
  async export(filePassword: SecretInput, password: SecretInput): Promise<Blob> {
    const { file } = await this.#call("exportBackup", { filePassword: secretBytes(filePassword), password: secretBytes(password) });
    return new Blob([file], { type: "application/octet-stream" });
  }

  /** Adds the keys of a backup that are not here yet; `password` is the file's. Codes: `bad_backup`, `wrong_password`, `future_version`, `locked`. */
  async import(file: Blob | Uint8Array, password: SecretInput): Promise<BackupImport> {
    const bytes = file instanceof Blob ? new Uint8Array(await file.arrayBuffer()) : new Uint8Array(file);
    return this.#call("importBackup", { file: bytes, password: secretBytes(password) });
  }

  /**
   * Binds the vault to another relay, which gets the keys from then on; works
   * while locked, as a vault bound elsewhere cannot be unlocked here. Open it
   * with that relay afterwards; the identity remembered of the old one is
   * forgotten. Gives the new recovery code. Codes:
   * `wrong_password`, `passkey_failed`, `bad_argument`.
   */
  async rebind(relay: string | URL, password: SecretInput, options: RekeyOptions = {}): Promise<{ recoveryCode: string }> {
    const passkeys = await this.passkeys.retap(options);
    return this.#call("rebind", { relay: new URL(relay, document.baseURI).href, password: secretBytes(password), passkeys });
  }

  /** What the person has set; given some, changes them, which takes the password. Codes: `wrong_password`, `bad_argument`, `locked`. */
  settings(changes?: { password: SecretInput; autoLockMinutes?: number; lockOnHide?: boolean }): Promise<Settings> {
    return this.#call("settings", changes ? { ...changes, password: secretBytes(changes.password) } : {});
  }

  /** What was done with the vault, newest first. Codes: `locked`. */
  async audit(options: { limit?: number } = {}): Promise<AuditEvent[]> {
    return (await this.#call("audit", options)).events;
  }

  /** Deletes the vault and everything in it, locked or not. */
  async destroy(): Promise<void> {
    await this.#call("destroy", {});
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

  #refused({ provider, reason }: Refusal): void {
    if (reason) this.#tell("keyneeded", { ...(provider && { provider }), reason });
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

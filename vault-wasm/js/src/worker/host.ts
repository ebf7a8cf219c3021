import type { VaultConfig, WasmVault } from "./glue.js";
import type { Failure } from "../errors.js";
import type { OpRule } from "../ops.js";
import { PROTOCOL_VERSION, scopeOf, type Gossip, type Hello, type ToPage, type VaultEventType } from "../wire.js";
import type { Snapshot } from "../types.js";
import { compile } from "./compile.js";
import { FAULT, LOCKED, toFailure } from "./failure.js";
import type { Port } from "./port.js";
import { Session } from "./session.js";

/** A shared worker without pages keeps the vault open for a reload, not longer. */
const ALONE_MS = 30_000;
/** Timers sleep with the machine and are throttled in the background: deadlines are looked at this often. */
const WAKE_MS = 15_000;
/** Use in one worker moves the deadline in the others; more often than this is noise. */
const TOUCH_GOSSIP_MS = 15_000;
/** A deadline that moves by less is not worth a message to every page. */
const DEADLINE_STEP_MS = 5_000;

const RELAY_CHANGED: Failure = { code: "relay_changed", message: "This vault is open for another relay." };
const RELOAD: Failure = { code: "reload_required", message: "A newer version is running. Reload this page." };

type WasmSnapshot = ReturnType<WasmVault["snapshot"]>;

/** The one vault of this worker and the pages connected to it. */
export class Host {
  readonly #shared: boolean;
  readonly #ports = new Set<Port>();
  #config: VaultConfig | undefined;
  #wasm: string | ArrayBuffer = "";
  #module: Promise<WebAssembly.Module> | undefined;
  #opening: Promise<Session> | undefined;
  #session: Session | undefined;
  #snapshot: WasmSnapshot | undefined;
  #channel: BroadcastChannel | undefined;
  #wakeTimer: ReturnType<typeof setTimeout> | undefined;
  #aloneTimer: ReturnType<typeof setTimeout> | undefined;
  #hidden = false;
  /** Wrong secrets, counted by one session after the other: a lock must not make guessing quick again. */
  readonly #guesses = {};
  #gossipedTouch = 0;
  #retired: Failure | undefined;
  /** Counts locks, for calls that waited. */
  #locks = 0;
  /** A Web Lock that lives as long as this worker, so that pages learn of its death. */
  #life: Promise<string | null> | undefined;

  constructor(shared: boolean) {
    this.#shared = shared;
  }

  /** Base URL of the vault's relay. */
  get relay(): string {
    return this.#config?.relay ?? "";
  }

  // ---- pages coming and going

  /**
   * Takes a page in; rejects with a Failure when it cannot be served. A port
   * that an owner gave away (`granted`) has no say in what the vault is.
   */
  async welcome(port: Port, hello: Hello, granted: boolean): Promise<void> {
    if (this.#retired) throw this.#retired;
    if (hello.v > PROTOCOL_VERSION && !granted) {
      port.post({ t: "outdated" });
      await this.#retire();
      self.close();
      return;
    }
    if (hello.v !== PROTOCOL_VERSION) throw RELOAD;
    if (granted) this.#join(port);
    else await this.#admit(port, hello);
    await this.#open();
    this.#life ??= holdLife(this.#config?.name ?? "");
    const life = granted ? null : await this.#life;
    if (this.#snapshot) port.post({ t: "welcome", snapshot: publicSnapshot(this.#snapshot), life });
  }

  #join(port: Port): void {
    // It may have gone while it waited, and nobody would tell again that it has.
    if (port.closed) return;
    clearTimeout(this.#aloneTimer);
    this.#ports.add(port);
    this.hiddenChanged();
  }

  leave(port: Port): void {
    this.#ports.delete(port);
    this.hiddenChanged();
    if (this.#ports.size > 0) return;
    clearTimeout(this.#aloneTimer);
    if (this.#shared) this.#aloneTimer = setTimeout(() => void this.lock("no_client"), ALONE_MS);
    else void this.lock("no_client").finally(() => self.close());
  }

  /** The vault counts as hidden when no page of it is visible. */
  hiddenChanged(): void {
    const hidden = this.#ports.size > 0 && [...this.#ports].every((port) => port.hidden);
    if (hidden === this.#hidden) return;
    this.#hidden = hidden;
    this.#session?.vault.hidden({ hidden });
    this.#after();
  }

  /** Takes a page in that says which vault this is. */
  async #admit(port: Port, hello: Hello): Promise<void> {
    const config: VaultConfig = { name: hello.name, relay: hello.relay, guesses: this.#guesses, emit: (event) => this.#emit(event) };
    if (hello.relayKey !== undefined) config.relayKey = hello.relayKey;
    if (hello.autoLockMinutes !== undefined) config.autoLockMinutes = hello.autoLockMinutes;
    const elsewhere = () => this.#config && (this.#config.name !== config.name || this.#config.relay !== config.relay);
    // Keys go to one relay only. A page that names another may have it when no other page is served.
    const taken = () => elsewhere() && (this.#config?.name !== config.name || this.#ports.size > 0);
    if (taken()) throw RELAY_CHANGED;
    if (elsewhere()) {
      await this.lock("relay_changed");
      // Another page may have come while this one waited.
      if (taken()) throw RELAY_CHANGED;
      this.#config = config;
    }
    this.#config ??= config;
    this.#wasm ||= hello.wasm;
    this.#join(port);
    if (!this.#channel && typeof BroadcastChannel === "function") {
      this.#channel = new BroadcastChannel(scopeOf(hello.name));
      this.#channel.onmessage = ({ data }) => this.#hear(data);
      this.#say({ t: "version", v: PROTOCOL_VERSION });
    }
  }

  // ---- the session

  /** Runs a call on the vault, opening it first where needed. */
  async run<T>(call: (vault: WasmVault) => Promise<T> | T, { locks = false }: Partial<OpRule> = {}): Promise<T> {
    if (this.#retired) throw this.#retired;
    const locked = this.#locks;
    try {
      const session = await this.#open();
      // Locked while this waited for the session.
      if (locked !== this.#locks) throw LOCKED;
      return await session.run(call, locks);
    } catch (thrown) {
      if (thrown instanceof WebAssembly.RuntimeError) this.fault();
      throw toFailure(thrown);
    } finally {
      // Whoever waits for the call finds the state it led to.
      if (locks) {
        await this.#open().catch(() => undefined);
        this.#say({ t: "changed" });
      }
      this.#after();
    }
  }

  /** Has usage and log written. Called once an answer is on its way: nobody waits for them. */
  writeBehind(): void {
    void this.#session?.vault.flush();
  }

  #open(): Promise<Session> {
    if (this.#opening) return this.#opening;
    const config = this.#config;
    if (!config) return Promise.reject(FAULT);
    const opening = this.#openSession(config, () => this.#opening === opening);
    this.#opening = opening;
    opening.catch(() => {
      if (this.#opening === opening) this.#opening = undefined;
    });
    return opening;
  }

  async #openSession(config: VaultConfig, wanted: () => boolean): Promise<Session> {
    this.#module ??= compile(this.#wasm);
    this.#module.catch(() => {
      // What this page gave is of no use: the next one may know better.
      this.#module = undefined;
      this.#wasm = "";
    });
    const session = await Session.open(await this.#module, config);
    if (!wanted()) {
      // A lock came while the database was being opened: nothing was unlocked yet, but the order stands.
      session.vault.lock("request");
      await session.end(() => undefined);
      throw LOCKED;
    }
    this.#session = session;
    if (this.#hidden) session.vault.hidden({ hidden: true });
    if (this.#snapshot) this.#publish(session);
    else this.#snapshot = session.vault.snapshot();
    return session;
  }

  /** Locks; resolves when the memory of the session is zero. The vault's own event tells pages and other workers. */
  async lock(reason: string): Promise<void> {
    this.#locks += 1;
    const session = this.#session;
    if (!session) {
      this.#opening = undefined;
      return;
    }
    const open = session.vault.snapshot().state === "unlocked";
    session.vault.lock(reason);
    // A session that is neither open nor busy holds no secret, but counts the wrong passwords.
    if (open || session.busy) await this.#drop();
  }

  /** Lets go of the session, whose vault is locked by now, and has the next one ready for whoever unlocks. */
  async #drop(failure?: Failure): Promise<void> {
    const session = this.#session;
    if (!session) return;
    this.#session = undefined;
    this.#opening = undefined;
    clearTimeout(this.#wakeTimer);
    this.#publish(session);
    const ports = [...this.#ports];
    const ended = session.end(() => ports.forEach((port) => port.abortAll()), failure);
    if (ports.length > 0 && !this.#retired) this.#open().catch(() => undefined);
    await ended;
  }

  /** The instance trapped: nothing in it can be trusted any more. */
  fault(): void {
    const session = this.#session;
    if (!session) return;
    try {
      session.vault.lock("fault");
    } catch {
      // A trapped instance may not even lock; its memory is wiped all the same.
    }
    const wasUnlocked = this.#snapshot?.state === "unlocked";
    void this.#drop(FAULT);
    if (!wasUnlocked || this.#snapshot?.state !== "unlocked") return;
    this.#tell({ ...this.#snapshot, state: "locked", lockAt: null, warnAt: null });
    this.#toAll({ t: "event", type: "lock", detail: { reason: "fault" } });
  }

  /** A newer version took over: lock, tell every page, serve nobody. */
  async #retire(): Promise<void> {
    this.#retired = RELOAD;
    const locked = this.lock("reload_required");
    for (const port of [...this.#ports]) port.retire(RELOAD);
    await locked;
  }

  // ---- what the vault says

  #emit({ type, ...detail }: { type: VaultEventType; [field: string]: unknown }): void {
    // The vault calls this from inside itself: nothing may call back into it before it has returned.
    queueMicrotask(() => {
      if (type === "lock") {
        // Left behind by a change of the vault key in another worker: that one goes on.
        if (detail.reason !== "rekeyed") this.#say({ t: "lock", reason: String(detail.reason) });
        void this.#drop();
      } else {
        // A lock is a change as well, but none of what is stored.
        if (type === "change" && this.#session) this.#say({ t: "changed" });
        this.#after();
      }
      // Which page's request lacked a key is known from its own refusal.
      if (type !== "keyneeded") this.#toAll({ t: "event", type, detail: Object.keys(detail).length ? detail : null });
    });
  }

  /** After anything that may have moved a deadline or changed the vault. */
  #after(): void {
    const session = this.#session;
    if (!session || session.ended) return;
    let wake: ReturnType<WasmVault["wake"]>;
    try {
      wake = session.vault.wake();
    } catch {
      return this.fault();
    }
    this.#publish(session);
    clearTimeout(this.#wakeTimer);
    if (wake.lockAt === null) return;
    const waits = [wake.lockAt, wake.warnAt ?? 0].map((deadline) => deadline - Date.now()).filter((wait) => wait > 0);
    this.#wakeTimer = setTimeout(() => this.#after(), Math.min(...waits, WAKE_MS) + 1);
  }

  #publish(session: Session): void {
    let next: WasmSnapshot;
    try {
      next = session.vault.snapshot();
    } catch {
      return;
    }
    // Compared with what the pages know, or a deadline creeping in small steps would never be told.
    if (!this.#snapshot || !sameSnapshot(this.#snapshot, next)) this.#tell(next);
  }

  #tell(snapshot: WasmSnapshot): void {
    this.#snapshot = snapshot;
    this.#toAll({ t: "snapshot", snapshot: publicSnapshot(snapshot) });
  }

  #toAll(message: ToPage): void {
    for (const port of this.#ports) port.post(message);
  }

  // ---- other workers of the same vault

  /** Tells the other workers that the vault is in use here. */
  used(): void {
    const now = Date.now();
    if (Math.abs(now - this.#gossipedTouch) < TOUCH_GOSSIP_MS) return;
    this.#gossipedTouch = now;
    this.#say({ t: "touch" });
  }

  #say(gossip: Gossip): void {
    this.#channel?.postMessage(gossip);
  }

  #hear(gossip: Partial<Gossip> | null): void {
    switch (gossip?.t) {
      case "version":
        if (Number(gossip.v) > PROTOCOL_VERSION) void this.#retire();
        else if (Number(gossip.v) < PROTOCOL_VERSION) this.#say({ t: "version", v: PROTOCOL_VERSION });
        break;
      case "lock":
        void this.lock(String(gossip.reason));
        break;
      case "touch":
        this.#session?.vault.touch();
        this.#after();
        break;
      case "changed":
        void this.#catchUp().catch(() => undefined);
        break;
    }
  }

  /** Another worker wrote. */
  async #catchUp(): Promise<void> {
    const session = this.#session;
    if (!session) return;
    if (this.#snapshot?.state === "unlocked") {
      await this.run((vault) => vault.refresh());
    } else if (!session.busy) {
      // Another tab may have created or deleted the vault, which is found out by opening anew.
      await this.#drop();
      await this.#open();
    }
  }
}

/** Whether storage persists is the page's to ask. */
function publicSnapshot(snapshot: WasmSnapshot): Snapshot {
  return { ...snapshot, persisted: null };
}

function sameSnapshot(a: WasmSnapshot, b: WasmSnapshot): boolean {
  if (a.lockAt !== null && b.lockAt !== null && Math.abs(a.lockAt - b.lockAt) < DEADLINE_STEP_MS) {
    b = { ...b, lockAt: a.lockAt, warnAt: a.warnAt };
  }
  return JSON.stringify(a) === JSON.stringify(b);
}

async function holdLife(name: string): Promise<string | null> {
  if (!navigator.locks) return null;
  const life = `${scopeOf(name)}:worker:${crypto.randomUUID()}`;
  return new Promise((held) => {
    navigator.locks
      .request(life, () => {
        held(life);
        return new Promise(() => undefined);
      })
      // Denied together with storage.
      .catch(() => held(null));
  });
}

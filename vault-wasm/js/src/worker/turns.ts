import { scopeOf } from "../wire.js";

/**
 * One session's turns to write: a Web Lock of the vault's, held only while something is written, so
 * that no worker's plan is overtaken by another's. Nothing depends on it but that: the storage's
 * own transactions compare before they write.
 */
export class Turns {
  readonly #lock: string;
  readonly #held = new Set<() => void>();
  #over = false;

  constructor(name: string) {
    this.#lock = `${scopeOf(name)}:write`;
  }

  /** Resolves when it is this session's turn, with what ends it. */
  take(): Promise<() => void> {
    return new Promise((begin) => {
      const held = () =>
        new Promise<void>((release) => {
          const end = () => {
            this.#held.delete(end);
            release();
          };
          this.#held.add(end);
          if (this.#over) end();
          else begin(end);
        });
      // Plain-HTTP pages have no Web Locks, and they are denied together with storage.
      if (navigator.locks) navigator.locks.request(this.#lock, held).catch(() => begin(() => undefined));
      else begin(() => undefined);
    });
  }

  /** Gives up whatever the session still holds: its instance is gone and cannot. */
  end(): void {
    this.#over = true;
    for (const end of this.#held) end();
  }
}

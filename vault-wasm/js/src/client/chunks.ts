import { CHUNK_WINDOW } from "../wire.js";
import type { BodySource } from "./link.js";

type Chunk = Uint8Array<ArrayBuffer>;
type Read = { done: boolean; value?: Chunk | undefined };

/** Asked for at a time: a message for each chunk would cost as much as the chunk. */
const REFILL = CHUNK_WINDOW / 2;

/** A body that arrives as messages. */
export class ChunkSource implements BodySource {
  readonly #queue: Chunk[] = [];
  readonly #ask: (chunks: number) => void;
  readonly #abort: () => void;
  #reader: { resolve(read: Read): void; reject(error: unknown): void } | undefined;
  #taken = 0;
  #outcome: "end" | { error: unknown } | undefined;

  constructor(ask: (chunks: number) => void, abort: () => void) {
    this.#ask = ask;
    this.#abort = abort;
  }

  push(chunk: Chunk): void {
    this.#queue.push(chunk);
    this.#serve();
  }

  end(): void {
    this.#outcome ??= "end";
    this.#serve();
  }

  fail(error: unknown): void {
    this.#outcome ??= { error };
    this.#serve();
  }

  read(): Promise<Read> {
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
      this.#serve();
    });
  }

  async cancel(): Promise<void> {
    this.#queue.length = 0;
    this.#outcome ??= "end";
    this.#abort();
  }

  #serve(): void {
    const reader = this.#reader;
    if (!reader) return;
    const value = this.#queue.shift();
    if (value) {
      if (++this.#taken === REFILL) {
        this.#taken = 0;
        this.#ask(REFILL);
      }
      reader.resolve({ done: false, value });
    } else if (this.#outcome === "end") {
      reader.resolve({ done: true });
    } else if (this.#outcome) {
      reader.reject(this.#outcome.error);
    } else {
      return;
    }
    this.#reader = undefined;
  }
}

import { CHUNK_WINDOW, type ToPage } from "../wire.js";

type Chunk = Uint8Array<ArrayBuffer>;

export interface Pump {
  /** The page can take so many more chunks. */
  allow(chunks: number): void;
}

/** Sends a body chunk by chunk, never more than the page can take: this carries its backpressure to the relay. */
export function pumpChunks(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  id: number,
  post: (message: ToPage, transfer?: Transferable[]) => void,
): Pump {
  let credit = CHUNK_WINDOW;
  let busy = false;
  const pump = async () => {
    if (busy) return;
    busy = true;
    try {
      while (credit > 0) {
        credit -= 1;
        const { done, value } = await reader.read();
        if (done) return post({ t: "end", id });
        const bytes = (value.byteLength === value.buffer.byteLength ? value : value.slice()) as Chunk;
        post({ t: "chunk", id, bytes }, [bytes.buffer]);
      }
      busy = false;
    } catch {
      post({ t: "failed", id, failure: { code: "network", message: "The answer broke off." } });
    }
  };
  void pump();
  return {
    allow(chunks) {
      if (!(chunks > 0)) return;
      credit += chunks;
      void pump();
    },
  };
}

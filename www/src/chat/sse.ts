/**
 * Server-sent events over a byte stream, parsed as the HTML standard says (section 9.2.6): an event
 * cut off by the end of the stream is dropped. Whether the answer was complete is told by the
 * provider's own end marker, never by the end of the stream.
 */

export interface ServerEvent {
  /** The `event` field, "message" when there was none. */
  readonly type: string;
  readonly data: string;
}

/** A line longer than this is no event of a chat answer; without a bound it would grow in memory for ever. */
const MAX_PENDING_CHARACTERS = 8 * 1024 * 1024;

/** Push parser: text in, whole events out. Knows no stream, so it can be tested with any chunking. */
export class EventParser {
  #pending = "";
  #type = "";
  #data: string[] = [];
  #started = false;
  #skipLineFeed = false;

  push(text: string): ServerEvent[] {
    const events: ServerEvent[] = [];
    let rest = this.#pending + text;
    if (!this.#started && rest !== "") {
      this.#started = true;
      if (rest.startsWith("\uFEFF")) rest = rest.slice(1);
    }
    for (;;) {
      // A CR ends a line at once; if its LF comes in the next chunk it must not end a second one.
      if (this.#skipLineFeed && rest !== "") {
        if (rest.startsWith("\n")) rest = rest.slice(1);
        this.#skipLineFeed = false;
      }
      const end = rest.search(/[\r\n]/);
      if (end === -1) break;
      const line = rest.slice(0, end);
      this.#skipLineFeed = rest[end] === "\r";
      rest = rest.slice(end + 1);
      const event = this.#line(line);
      if (event) events.push(event);
    }
    if (rest.length > MAX_PENDING_CHARACTERS) throw new RangeError("server-sent event too long");
    this.#pending = rest;
    return events;
  }

  #line(line: string): ServerEvent | null {
    if (line === "") {
      const event = this.#data.length > 0 ? { type: this.#type || "message", data: this.#data.join("\n") } : null;
      this.#type = "";
      this.#data = [];
      return event;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return null; // comment, sent by some providers as a keep-alive
    const field = colon === -1 ? line : line.slice(0, colon);
    let value = colon === -1 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#type = value;
    return null;
  }
}

/**
 * Events of a response body as they arrive. Leaving the loop early cancels the body, and with it
 * the request.
 */
export async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent, void, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new EventParser();
  let ended = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) {
        ended = true;
        break;
      }
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
    yield* parser.push(decoder.decode());
  } finally {
    // cancel() of a failed stream rejects with the failure already reported by read().
    if (!ended) await reader.cancel().catch(() => undefined);
    reader.releaseLock();
  }
}

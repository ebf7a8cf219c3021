/**
 * The data of each event of a stream (HTML Standard, §9.2.6) as the relay
 * writes them: lines end in LF, and each event has one line of data. Whoever
 * stops early cancels the request.
 */
export async function* eventData(response: Response): AsyncGenerator<string, void, void> {
  const reader = response.body?.getReader();
  if (!reader) return;
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      rest += decoder.decode(read.value, { stream: true });
      const events = rest.split("\n\n");
      rest = events.pop() ?? "";
      for (const event of events) {
        const data = /^data: ?(.*)$/m.exec(event)?.[1];
        if (data) yield data;
      }
    }
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

const FORM = /^data:([^,]*),([^#]*)/is;
const BASE64 = /; *base64 *$/i;
const DEFAULT_TYPE = "text/plain;charset=US-ASCII";

/**
 * What `fetch` answers to a `data:` URL (WHATWG Fetch, section "data: URLs").
 * Such a URL asks nobody anything, so it concerns neither vault nor relay;
 * SDKs fetch one to learn what kind of `fetch` they were given. It is read
 * here because a page's `connect-src` may forbid the browser to.
 * Throws TypeError when it is malformed.
 */
export function dataResponse(url: string, method: string): Response {
  const [, head, data] = FORM.exec(url) ?? [];
  if (head === undefined || data === undefined) throw new TypeError("the data: URL has no comma");
  // A character per byte: what is not ASCII in a URL is percent-encoded by the URL parser.
  let body = data.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  let type = head.trim();
  if (BASE64.test(type)) {
    type = type.replace(BASE64, "");
    body = decoded(body);
  }
  if (type.startsWith(";")) type = `text/plain${type}`;
  const bytes = Uint8Array.from(body, (char) => char.charCodeAt(0));
  return new Response(method === "HEAD" ? null : bytes, { headers: { "content-type": type || DEFAULT_TYPE } });
}

function decoded(base64: string): string {
  try {
    return atob(base64);
  } catch (cause) {
    throw new TypeError("the data: URL is not valid base64", { cause });
  }
}

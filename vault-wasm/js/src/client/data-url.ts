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
  let body = percentDecoded(data);
  let type = head.trim();
  if (BASE64.test(type)) {
    type = type.replace(BASE64, "");
    body = base64Decoded(body);
  }
  if (type.startsWith(";")) type = `text/plain${type}`;
  const headers = { "content-type": type || DEFAULT_TYPE };
  return new Response(method === "HEAD" ? null : body, { headers });
}

function percentDecoded(text: string): Uint8Array<ArrayBuffer> {
  // What is not ASCII in a URL is percent-encoded by the URL parser.
  const bytes = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Uint8Array.from(bytes, (char) => char.charCodeAt(0));
}

function base64Decoded(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(String.fromCharCode(...bytes)), (char) => char.charCodeAt(0));
  } catch (cause) {
    throw new TypeError("the data: URL is not valid base64", { cause });
  }
}

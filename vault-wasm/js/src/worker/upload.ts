import type { Failure } from "../errors.js";
import type { UploadProgress } from "../types.js";
import type { WireRequest } from "../wire.js";

const NETWORK: Failure = { code: "network", message: "The request could not be sent." };

/** What a job is made with. Whatever else a page says is not sent; least of all a key. */
const HEADERS: readonly string[] = ["content-type", "x-byok-lease", "x-byok-provider"];

/**
 * Makes a job, and tells how its recording goes up. By XMLHttpRequest, the only
 * way to see a body go. That follows redirects whatever one does, so no key
 * goes this way: where the relay redirects to gets the lease's handle, which
 * the page ends at once, since the answer of another place than was asked
 * counts for nothing.
 */
export async function upload(
  relay: string,
  { url, headers, body }: WireRequest,
  token: string | undefined,
  signal: AbortSignal,
  progress: (progress: UploadProgress) => void,
): Promise<{ response: Response }> {
  // A lock may have come while the token did.
  if (signal.aborted || url !== `${relay.replace(/\/$/, "")}/v1/jobs`) throw NETWORK;
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    signal.onabort = () => request.abort();
    request.upload.onprogress = ({ loaded, total }) => progress({ loaded, total });
    request.onloadend = () => {
      const { responseURL, response, status } = request;
      // Failed and aborted ones have no URL, redirected ones another.
      if (responseURL !== url) return reject(NETWORK);
      resolve({ response: Object.defineProperty(new Response(response, { status }), "url", { value: url }) });
    };
    request.open("POST", url);
    for (const [name, value] of headers) if (HEADERS.includes(name)) request.setRequestHeader(name, value);
    if (token) request.setRequestHeader("authorization", `Bearer ${token}`);
    request.send(body);
  });
}

import type { Failure } from "../errors.js";
import type { UploadProgress } from "../types.js";
import type { WireRequest } from "../wire.js";

const NETWORK: Failure = { code: "network", message: "The request could not be sent." };

/**
 * Sends a request that may take long, and tells how it goes up. By
 * XMLHttpRequest, the only way to see a body go. That follows redirects
 * whatever one does, so no key goes this way; the answer of another place than
 * was asked counts for nothing.
 */
export async function upload(
  relay: string,
  { url, method, headers, body }: WireRequest,
  token: string | undefined,
  signal: AbortSignal,
  progress: (progress: UploadProgress) => void,
): Promise<{ response: Response }> {
  // The relay's URL is normalised: at least a slash follows its host. A lock may have come while the token did.
  if (signal.aborted || !url.startsWith(relay)) throw NETWORK;
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
    request.open(method, url);
    for (const [name, value] of headers) request.setRequestHeader(name, value);
    if (token) request.setRequestHeader("authorization", `Bearer ${token}`);
    request.send(body);
  });
}

import type { Failure } from "../errors.js";
import type { UploadProgress } from "../types.js";
import type { WireRequest } from "../wire.js";

const NETWORK: Failure = { code: "network", message: "The request could not be sent." };

/**
 * Sends a recording to the job that waits for it. By XMLHttpRequest, the only
 * way to see a body go. That follows redirects whatever one does, so what goes
 * this way is no key and no lease, only what opens that one job.
 */
export async function upload(
  relay: string,
  { url, method, headers, body }: WireRequest,
  token: string | undefined,
  signal: AbortSignal,
  progress: (progress: UploadProgress) => void,
): Promise<{ response: Response }> {
  // Normalised, so that at least a slash follows the host.
  if (!url.startsWith(relay)) throw NETWORK;
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    signal.onabort = () => request.abort();
    request.upload.onprogress = ({ loaded, total }) => progress({ loaded, total });
    // Failed and aborted ones have no URL, redirected ones another.
    request.onloadend = () =>
      request.responseURL === url ? resolve({ response: new Response(request.response, { status: request.status }) }) : reject(NETWORK);
    request.open(method, url);
    for (const [name, value] of headers) request.setRequestHeader(name, value);
    if (token) request.setRequestHeader("authorization", `Bearer ${token}`);
    request.send(body);
  });
}

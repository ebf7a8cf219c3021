import { VaultError } from "../errors.js";
import type { Refusal } from "../wire.js";
import { dataResponse } from "./data-url.js";
import type { Link } from "./link.js";
import { signalOf, toWire } from "./request.js";
import { refusalResponse, toResponse, withUrl } from "./response.js";
import { until } from "./until.js";

/** How failures that are no `fetch` failures are answered; whatever is not here is a 503. */
const REFUSALS: { readonly [code: string]: Pick<Refusal, "status" | "kind" | "reason"> | undefined } = {
  locked: { status: 423, kind: "invalid_request_error", reason: "locked" },
  bad_argument: { status: 400, kind: "invalid_request_error" },
};

/**
 * `fetch` through the vault. Rejects with the signal's reason, or TypeError
 * for foreign URLs, malformed requests and network failures; every other
 * trouble is an answer, because SDKs take rejections for lost connections and
 * retry them. `refused` hears of each.
 */
export async function vaultFetch(
  link: Link,
  refused: (refusal: Refusal) => void,
  input: RequestInfo | URL,
  init: RequestInit | undefined,
): Promise<Response> {
  const signal = signalOf(input, init);
  signal?.throwIfAborted();
  const request = await until(signal, toWire(input, init));
  const { url, method } = request;
  if (url.startsWith("data:")) return withUrl(dataResponse(url, method), url);
  let refusal: Refusal;
  try {
    const answer = await link.request(request, signal);
    if (!("refusal" in answer)) return toResponse(answer.head, answer.body, answer.done, method, signal);
    refusal = answer.refusal;
  } catch (thrown) {
    if (!(thrown instanceof VaultError)) throw thrown;
    if (thrown.code === "foreign_url" || thrown.code === "network") {
      throw new TypeError(thrown.message, { cause: thrown });
    }
    const form = REFUSALS[thrown.code] ?? { status: 503, kind: "api_error" };
    refusal = { ...form, code: thrown.code, message: thrown.message };
  }
  refused(refusal);
  return refusalResponse(refusal, url);
}

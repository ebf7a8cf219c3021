import { VaultError } from "../../errors.js";

/**
 * The origins that the operator lets embed this frame. The browser enforces
 * the same list by `frame-ancestors`; a message is checked against it again,
 * because it can also come from a frame inside the embedder, or an opener.
 */
export async function embedders(): Promise<ReadonlySet<string>> {
  const response = await fetch("/frame/embedders", { credentials: "omit", redirect: "error", cache: "no-store" });
  const listed: unknown = response.ok ? await response.json() : null;
  if (!Array.isArray(listed)) throw new VaultError("worker_failed", "The relay does not say who may embed the vault.");
  return new Set(listed.filter((origin) => typeof origin === "string"));
}

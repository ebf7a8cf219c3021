import { VaultError } from "../errors.js";

/**
 * The origin on which this relay serves the vault's frame, or null when it
 * serves none. A relay that cannot be asked is a failure, not a "none": the
 * vault must not land on the app's origin because the network was down.
 */
export async function vaultOriginOf(relay: string): Promise<string | null> {
  const url = `${relay.replace(/\/$/, "")}/.well-known/keyferry`;
  let response: Response;
  try {
    response = await fetch(url, { credentials: "omit", redirect: "error", cache: "no-cache" });
  } catch {
    throw new VaultError("network", `The relay could not be reached at ${url}.`);
  }
  if (response.status >= 500) throw new VaultError("network", `The relay answered ${response.status} at ${url}.`);
  if (!response.ok) return null;
  const document: unknown = await response.json().catch(() => null);
  const named = (document as { vaultOrigin?: unknown } | null)?.vaultOrigin;
  if (typeof named !== "string") return null;
  try {
    const { origin, protocol } = new URL(named);
    return protocol === "https:" || protocol === "http:" ? origin : null;
  } catch {
    return null;
  }
}

/** The only place that names the packaged vault: `/keyferry/` is where the site serves it. */
import type { Vault } from "keyferry";

export type { KeyInfo, Provider, Snapshot, Vault } from "keyferry";

/** One vault per site, bound to the relay that serves this page. */
export async function openPageVault(): Promise<Vault> {
  // Loaded at run time: if it cannot be, the page is still there to say so.
  const { openVault } = await import("/keyferry/index.js");
  return openVault({ relay: location.origin, name: "default", mode: "page" });
}

/** The only place that names the packaged vault: `/keyferry/` is where the site serves it. */
import type { Vault } from "keyferry";

export type { Provider, Snapshot, Vault } from "keyferry";

/**
 * One vault per site, bound to the relay that serves this page: in the vault's frame where the
 * relay serves one. `?mode=page` keeps it on this origin instead, to try what that is like.
 */
export async function openPageVault(): Promise<Vault> {
  const chosen = new URLSearchParams(location.search).get("mode");
  const mode = chosen === "page" || chosen === "frame" ? { mode: chosen } as const : {};
  // Loaded at run time: if they cannot be, the page is still there to say so.
  const [{ openVault }] = await Promise.all([import("/keyferry/index.js"), import("/keyferry/elements.js")]);
  return openVault({ relay: location.origin, name: "default", ...mode });
}

/** The only place that names the packaged vault: `/keyferry/` is where the site serves it. */
import type { Vault } from "keyferry";

export type { JobStatus, Provider, Snapshot, TranscriptionJob, UsageRow, Vault } from "keyferry";
export type { Model } from "keyferry/elements";

/** The vault's own words for its errors, in the page's language. */
export type MessageFor = typeof import("keyferry/elements").messageFor;

export interface Opened {
  readonly vault: Vault;
  readonly messageFor: MessageFor;
}

/** The package, loaded at run time: if it cannot be, the page is still there to say so. */
export async function loadPackage(): Promise<{ open(): Promise<Vault>; messageFor: MessageFor }> {
  const [{ openVault }, { messageFor }] = await Promise.all([import("/keyferry/index.js"), import("/keyferry/elements.js")]);
  // In the vault's frame where the relay serves one. `?mode=page` keeps it on this origin instead, to try what that is like.
  const chosen = new URLSearchParams(location.search).get("mode");
  const mode = chosen === "page" || chosen === "frame" ? { mode: chosen } as const : {};
  // One vault per site, bound to the relay that serves this page.
  return { open: () => openVault({ relay: location.origin, name: "default", ...mode }), messageFor };
}

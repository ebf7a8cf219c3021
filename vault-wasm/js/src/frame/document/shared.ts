import type { Vault } from "../../client/vault.js";

/** Where a frame that holds an app's connection leaves its vaults for the other frames of this origin in the page. */
const PLACE = Symbol.for("keyferry.vaults");

type Place = { [PLACE]?: Map<string, Promise<Vault>> };

/**
 * Without shared workers each frame of a page would have a vault of its own,
 * and unlocking in one would leave the other locked. So the frame that holds
 * the app's connection opens it, and those that are part of the page borrow
 * it: frames of one origin can reach into each other, and no others can.
 */
export function borrow(name: string): Promise<Vault> | undefined {
  if (typeof SharedWorker === "function") return undefined;
  for (let i = 0; i < window.parent.length; i++) {
    try {
      const lent = (window.parent[i] as Place | undefined)?.[PLACE]?.get(name);
      if (lent) return lent;
    } catch {
      // Of another origin.
    }
  }
  return undefined;
}

/** Offers this frame's vault to the others. */
export function lend(name: string, vault: Promise<Vault>): void {
  const place = window as Place;
  (place[PLACE] ??= new Map()).set(name, vault);
}

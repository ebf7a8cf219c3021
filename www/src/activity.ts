/** Counts reading and writing on this page as use of the vault, so it does not lock under one's hands. */
import type { Vault } from "./vault";

/** The idle deadline is minutes away: telling the vault more often than this changes nothing. */
const TOUCH_EVERY_MS = 20_000;

export function touchOnActivity(vault: Vault): void {
  let last = 0;
  const touch = (): void => {
    const now = Date.now();
    // A clock set back would otherwise silence this until it has caught up.
    if (Math.abs(now - last) < TOUCH_EVERY_MS || vault.state !== "unlocked") return;
    last = now;
    vault.touch();
  };
  for (const type of ["pointerdown", "keydown", "wheel", "touchstart"]) {
    addEventListener(type, touch, { passive: true, capture: true });
  }
}

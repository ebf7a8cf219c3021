/**
 * The messages between an app's page and the vault's frame, which are of
 * different origins. `connect` goes from window to window with a port; all
 * else goes over that port. Nothing here carries a key, a password or a
 * recovery code in either direction: the frame's own page takes and shows
 * them. Requests travel over a second port, straight to the vault's worker.
 */
import type { Failure } from "../errors.js";

/** Raised whenever a message changes its meaning or shape. */
export const FRAME_VERSION = 1;

/** What the frame can show. Locked and empty vaults are opened or created first, whatever was asked for. */
export const VIEWS = ["unlock", "keys", "passkeys", "backup", "usage", "audit", "preferences", "settings"] as const;

/** One of {@link VIEWS}; `settings` is all of them. */
export type View = (typeof VIEWS)[number];

/** How the frame should look to fit the app around it. */
export interface Appearance {
  /** BCP 47. */
  lang: string;
  dir: "ltr" | "rtl";
  scheme: "light" | "dark";
  /** Values of the `--keyferry-*` properties in {@link THEME}, where the app sets them. */
  theme: { [property: string]: string };
}

/** Custom properties an app may set on the element or above it. */
export const THEME = ["--keyferry-accent", "--keyferry-on-accent", "--keyferry-radius", "--keyferry-font"] as const;

/** The one message between windows; the control port comes with it. */
export interface Connect {
  t: "keyferry";
  v: number;
  /** The vault's name. */
  name: string;
  /** What the app asks for; the frame never waits longer than its own default. */
  autoLockMinutes: number | undefined;
  appearance: Appearance;
  /** The view of a frame that is part of the app's page; null for the one that holds the connection. */
  inline: View | null;
}

export type ToFrame =
  | { t: "open"; view: View; provider: string | undefined; appearance: Appearance }
  | { t: "appearance"; appearance: Appearance }
  /** The person wants the dialog gone (Escape, a click beside it). */
  | { t: "dismiss" };

export type ToApp =
  /** The script runs; the vault is being opened. */
  | { t: "alive" }
  /** A port that can use the vault comes with it, unless the frame is inline. */
  | { t: "ready" }
  | { t: "refused"; failure: Failure }
  /** How high the content is, in CSS pixels. */
  | { t: "size"; height: number }
  /** The dialog has done its work or was dismissed. */
  | { t: "closed" };

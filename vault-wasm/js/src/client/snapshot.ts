import type { Snapshot } from "../types.js";

/** Rendered on servers, where there is no vault. */
export const SERVER_SNAPSHOT: Snapshot = Object.freeze({
  state: "locked",
  providers: [],
  lockAt: null,
  warnAt: null,
  damaged: [],
  persisted: null,
});

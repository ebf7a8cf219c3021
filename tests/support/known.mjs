// Where the examples and the documents expect the relay: fixed addresses, led to a relay of the test's own.

import { launch } from "./chromium.mjs";
import { startRelay } from "./relay.mjs";

/** The relay and its vault, where `cargo xtask demo` has them. */
export const KNOWN = { relay: "http://localhost:8787", vault: "http://localhost:8788" };

/** A relay that browsers know by these addresses, for an app of this origin. @param {string} provider @param {string} app @param {string} [log] */
export function startKnownRelay(provider, app, log) {
  return startRelay({ provider, known: KNOWN, embedders: [app], server: `allowed_origins = ["${app}"]`, ...(log && { log }) });
}

/** A browser that finds this relay there, whatever else runs on those ports. @param {import("./relay.mjs").Relay} relay */
export function launchKnown(relay) {
  const led = (/** @type {string} */ known, /** @type {string} */ real) => `MAP ${new URL(known).host} 127.0.0.1:${new URL(real).port}`;
  return launch([`--host-resolver-rules=${led(KNOWN.relay, relay.origin)}, ${led(KNOWN.vault, relay.vault)}`]);
}

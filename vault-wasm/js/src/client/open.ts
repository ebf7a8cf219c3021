import { VaultError } from "../errors.js";
import type { OpenOptions } from "../types.js";
import { connect, type Assets } from "./connect.js";
import { Vault } from "./vault.js";

interface Opened {
  relay: string;
  vault: Promise<Vault>;
}

/** The vaults of this page by name. */
const open = new Map<string, Opened>();

/** `openVault` for one entry's way of finding its worker and WASM. */
export async function openWith(options: OpenOptions, assets: Assets): Promise<Vault> {
  if (typeof document === "undefined") {
    throw new VaultError("worker_failed", "A vault opens in a browser page only.");
  }
  const name = options.name ?? "default";
  const relay = relayUrl(options.relay);
  const existing = open.get(name);
  if (existing) {
    if (existing.relay === relay) return existing.vault;
    throw new VaultError("relay_changed", "This vault is open for another relay.", { field: "relay" });
  }
  const vault = connect(name, relay, options, assets).then((link) => new Vault(link, forget));
  const opened: Opened = { relay, vault };
  const forget = () => {
    if (open.get(name) === opened) open.delete(name);
  };
  open.set(name, opened);
  vault.catch(forget);
  return vault;
}

function relayUrl(relay: string | URL): string {
  try {
    return new URL(relay, document.baseURI).href;
  } catch {
    throw new VaultError("bad_argument", "The relay's URL cannot be parsed.", { field: "relay" });
  }
}

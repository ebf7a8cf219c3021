import { VaultError } from "../errors.js";
import type { OpenOptions } from "../types.js";
import { vaultOriginOf } from "../frame/discover.js";
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
  const vault = reach(name, relay, options, assets, () => forget());
  const opened: Opened = { relay, vault };
  const forget = () => {
    if (open.get(name) === opened) open.delete(name);
  };
  open.set(name, opened);
  vault.catch(forget);
  return vault;
}

/** In the vault's frame where the relay serves one and the app does not say otherwise, else on this origin. */
async function reach(name: string, relay: string, options: OpenOptions, assets: Assets, forget: () => void): Promise<Vault> {
  const { mode, port } = options;
  const named = mode === "page" || port ? null : await vaultOriginOf(relay);
  const origin = named === location.origin ? null : named;
  if (origin === null) {
    if (mode === "frame") throw new VaultError("bad_argument", "This relay names no vault origin.", { field: "mode" });
    return new Vault(await connect(name, relay, options, assets), forget, relay);
  }
  // Pages that own their vault do not load the frame's side.
  const { FrameLink, FrameUi } = await import("../frame/index.js");
  const ui = new FrameUi(origin, name);
  const use = await ui.connect(options.autoLockMinutes);
  try {
    const link = await connect(name, relay, { ...options, port: use, capability: "use" }, assets);
    return new Vault(new FrameLink(link, relay, origin, () => ui.close()), forget, relay, ui);
  } catch (thrown) {
    ui.close();
    throw thrown;
  }
}

function relayUrl(relay: string | URL): string {
  try {
    return new URL(relay, document.baseURI).href;
  } catch {
    throw new VaultError("bad_argument", "The relay's URL cannot be parsed.", { field: "relay" });
  }
}

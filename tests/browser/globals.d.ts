// What the harness page puts on `globalThis`, for code that runs in it.
type Client = typeof import("../../vault-wasm/js/src/index.js");

declare var kf: Client;
declare var vault: Awaited<ReturnType<Client["openVault"]>>;
/** The page's script has run. */
declare var ready: boolean | undefined;

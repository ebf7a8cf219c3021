// The vault's worker where the browser has no WebCrypto to derive with: the WASM does it.
Object.defineProperty(crypto, "subtle", { value: undefined });
importScripts("/keyferry/worker.js");

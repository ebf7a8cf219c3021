/** The worker and the WASM as text: build.mjs makes this module. */
export const workerSource: string;
export const wasmBase64: string;

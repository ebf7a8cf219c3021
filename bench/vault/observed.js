// The vault's worker with its WASM memory in view: there is no other way to ask how large it is.
const instantiated = WebAssembly.Instance;
globalThis.wasmMemory = () => 0;
WebAssembly.Instance = new Proxy(instantiated, {
  construct(target, args) {
    const instance = new target(...args);
    const memory = Object.values(instance.exports).find((value) => value instanceof WebAssembly.Memory);
    if (memory) globalThis.wasmMemory = () => memory.buffer.byteLength;
    return instance;
  },
});
importScripts("/keyferry/worker.js");

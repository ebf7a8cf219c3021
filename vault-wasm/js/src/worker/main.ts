/**
 * The worker's entry: takes in ports and passes each to the host. The same
 * file serves as shared and as dedicated worker, as classic and as module
 * script: it imports nothing.
 */
import { Host } from "./host.js";
import { Port } from "./port.js";

interface SharedScope {
  onconnect: ((event: MessageEvent) => void) | null;
}

const shared = "onconnect" in self;
const host = new Host(shared);

function take(event: MessageEvent): void {
  const [port] = event.ports;
  if (port) new Port(host, port, false);
}

if (shared) (self as unknown as SharedScope).onconnect = take;
else self.onmessage = take;

// A trap inside a task of the vault surfaces here and nowhere else.
self.addEventListener("error", (event) => {
  if (event.error instanceof WebAssembly.RuntimeError) host.fault();
});
self.addEventListener("unhandledrejection", (event) => {
  if (event.reason instanceof WebAssembly.RuntimeError) host.fault();
});

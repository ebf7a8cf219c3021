import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";

const RELAY = "http://localhost:8787";
const VAULT = "http://localhost:8788"; // the relay's vault origin, where the frame comes from

const NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const TRUSTED_TYPES = "require-trusted-types-for 'script'";

/** What each document may do. All else is only ever loaded by one of them. */
const POLICIES = {
  // The vault in its frame: the page asks the relay where the frame is, and shows it. That is all.
  "index.html": `${NOTHING}; script-src 'self'; connect-src ${RELAY}; frame-src ${VAULT}; ${TRUSTED_TYPES}; trusted-types 'none'`,
  // The vault in a worker of this origin: the page starts it. Policies: one for that, and Lit's for the elements.
  "page-mode.html": `${NOTHING}; script-src 'self'; worker-src 'self'; ${TRUSTED_TYPES}; trusted-types keyferry lit-html`,
  // That worker: the only place where WebAssembly is compiled and from where requests go out.
  "keyferry/worker.js": "default-src 'none'; script-src 'wasm-unsafe-eval'; connect-src 'self' " + RELAY,
};

const pages = new URL("./public/", import.meta.url);
const keyferry = new URL("./", import.meta.resolve("keyferry"));
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };

const server = createServer(async (request, response) => {
  try {
    const { pathname } = new URL(request.url, "http://localhost");
    const path = pathname === "/" ? "index.html" : pathname.slice(1);
    // After `./` a path names nothing outside the folder: URLs have resolved `..` themselves.
    const file = path.startsWith("keyferry/") ? new URL(`./${path.slice("keyferry/".length)}`, keyferry) : new URL(`./${path}`, pages);
    const body = await readFile(file);
    response.writeHead(200, {
      "content-type": TYPES[extname(path)] ?? "application/octet-stream",
      "content-security-policy": POLICIES[path] ?? NOTHING,
      "x-content-type-options": "nosniff",
    });
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
});

const port = Number(process.env.PORT ?? 3000);
server.listen(port, "localhost", () => console.log(`http://localhost:${port}`));

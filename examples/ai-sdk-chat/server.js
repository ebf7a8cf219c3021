// What Next.js does around a route, as far as this example needs it: the built page, and Request and
// Response for Node's own HTTP.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { POST } from "./app/api/chat/route.js";

const port = Number(process.env.PORT ?? 3000);
const pages = new URL("./dist/", import.meta.url);
/** @type {Record<string, string>} */
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };

const server = createServer(async (request, response) => {
  try {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    if (pathname === "/api/chat" && request.method === "POST") await send(await POST(toRequest(request, response)), response);
    else await sendFile(pathname, response);
  } catch (error) {
    // A person who leaves ends the answer in the middle.
    if (!response.destroyed) console.error(error instanceof Error ? error.name : "failed");
    if (response.headersSent) response.destroy();
    else response.writeHead(500).end();
  }
});
server.listen(port, () => console.log(`http://localhost:${port}`));

/**
 * @param {import("node:http").IncomingMessage} incoming
 * @param {import("node:http").ServerResponse} response
 */
function toRequest(incoming, response) {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const headers = new Headers(Object.entries(incoming.headersDistinct).map(([name, values]) => [name, values.join(", ")]));
  const init = { method: "POST", headers, body: Readable.toWeb(incoming), duplex: "half", signal: gone.signal };
  return new Request(`http://localhost${incoming.url}`, /** @type {RequestInit} */ (init));
}

/** @param {Response} answer @param {import("node:http").ServerResponse} response */
async function send(answer, response) {
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  await pipeline(answer.body ?? [], response);
}

/** @param {string} path @param {import("node:http").ServerResponse} response */
async function sendFile(path, response) {
  const file = new URL(`.${path === "/" ? "/index.html" : path}`, pages);
  // URLs resolve `..` themselves; what leaves the folder is not served.
  const body = file.href.startsWith(pages.href) ? await readFile(file).catch(() => null) : null;
  if (body) response.writeHead(200, { "content-type": TYPES[extname(file.pathname)] ?? "text/plain" }).end(body);
  else response.writeHead(404).end();
}

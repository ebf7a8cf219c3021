// What Next.js does around a route, as far as this example needs it: files, and Request and Response
// for Node's own HTTP.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { POST } from "./app/api/ask/route.js";

const relay = process.env.KEYFERRY_RELAY ?? "http://localhost:8787";
const port = Number(process.env.PORT ?? 3000);

const pages = new URL("./public/", import.meta.url);
const packaged = new URL("./", import.meta.resolve("keyferry"));
/** @type {Record<string, string>} */
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };

const server = createServer(async (request, response) => {
  try {
    const { pathname } = new URL(request.url ?? "/", "http://localhost");
    if (pathname === "/api/ask" && request.method === "POST") await send(await POST(toRequest(request, response)), response);
    else if (pathname === "/config.json") await send(Response.json({ relay }), response);
    else await sendFile(pathname, response);
  } catch (error) {
    console.error(error instanceof Error ? error.name : "failed");
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
  const init = { method: incoming.method, body: Readable.toWeb(incoming), duplex: "half", signal: gone.signal };
  return new Request(`http://localhost${incoming.url}`, /** @type {RequestInit} */ (init));
}

/** @param {Response} answer @param {import("node:http").ServerResponse} response */
async function send(answer, response) {
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  await pipeline(answer.body ?? [], response);
}

/** @param {string} path @param {import("node:http").ServerResponse} response */
async function sendFile(path, response) {
  const file = path.startsWith("/keyferry/")
    ? new URL(`./${path.slice("/keyferry/".length)}`, packaged)
    : new URL(`.${path === "/" ? "/index.html" : path}`, pages);
  // URLs resolve `..` themselves; what leaves both folders is not served.
  const inside = [pages, packaged].some((folder) => file.href.startsWith(folder.href));
  const body = inside ? await readFile(file).catch(() => null) : null;
  if (body) response.writeHead(200, { "content-type": TYPES[extname(file.pathname)] ?? "text/plain" }).end(body);
  else response.writeHead(404).end();
}

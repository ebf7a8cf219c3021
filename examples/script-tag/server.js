// Any static server does: all it takes is the package's files beside each other.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";

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
    response.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream" }).end(body);
  } catch {
    response.writeHead(404).end();
  }
});

const port = Number(process.env.PORT ?? 3000);
server.listen(port, "localhost", () => console.log(`http://localhost:${port}`));

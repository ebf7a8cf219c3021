// Drives every operation of /openapi.json with generated requests, good and bad: none may end in
// a 500 or in an undocumented answer, and nothing malformed may reach the provider.
//
//   node tests/fault/schemathesis.mjs [--examples N] [--seed N]

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv, exit, stderr, stdout } from "node:process";
import { parseArgs } from "node:util";

import { listen } from "../support/listen.mjs";
import { environment, run } from "../support/python.mjs";
import { IMITATED, startRelay } from "../support/relay.mjs";

const VERSION = "4.32.5";
const KEY = "sk-proj-CANARYcanaryCANARY0123456789abcdefGHIJKLMN";
const { values } = parseArgs({
  args: argv.slice(2),
  options: { examples: { type: "string", default: "40" }, seed: { type: "string", default: "1" } },
});

/** What is wrong with a request that reached the provider; undefined when nothing is.
 * @param {import("node:http").IncomingMessage} request @param {Record<string, string[]>} endpoints */
function fault(request, endpoints) {
  const path = new URL(request.url ?? "", "http://provider").pathname;
  const decoded = decodeURIComponent(path);
  const listed = Object.values(endpoints).flat().some((endpoint) => {
    const [methods = "", pattern = ""] = endpoint.split(" ");
    const allowed = [...methods.split(","), ...(methods.includes("GET") ? ["HEAD"] : [])];
    return allowed.includes(request.method ?? "") && fits(pattern, decoded);
  });
  if (!listed) return `${request.method} ${path} is on no provider's list`;
  if (/\/\.\.?(\/|;|$)|\/\/|\\/.test(decoded)) return `ambiguous path ${path}`;
  const own = Object.keys(request.headers).filter((name) => name.startsWith("x-byok-"));
  if (own.length > 0) return `the relay's own header ${own} went along`;
  const auth = ["authorization", "x-api-key", "x-goog-api-key"].filter((n) => n in request.headers);
  if (auth.length !== 1) return `credentials in ${auth.length} headers`;
  if (!String(request.headers[auth[0] ?? ""]).endsWith(KEY)) return "another credential than the key";
  return undefined;
}

/** @param {string} pattern @param {string} path */
function fits(pattern, path) {
  const segments = path.split("/");
  for (const [index, wanted] of pattern.split("/").entries()) {
    const segment = segments[index];
    if (segment === undefined) return false;
    if (wanted === "**") return segment !== "";
    const end = wanted.startsWith("*") ? wanted.slice(1) : undefined;
    const ok = end === undefined ? segment === wanted : segment.length > end.length && segment.endsWith(end);
    if (!ok) return false;
  }
  return segments.length === pattern.split("/").length;
}

/** A body of a JSON endpoint that a provider could only refuse. @param {Buffer} body */
function bodyFault(body) {
  try {
    const value = JSON.parse(body.toString("utf8"));
    return typeof value?.model === "string" && value.model !== "" ? undefined : "no model in the body";
  } catch {
    return "the body is not JSON";
  }
}

/** Where a sign-in's code is traded for a key: the relay's own call, on no list and without a key. */
const TRADE = "/api/v1/auth/keys";

/** What is wrong with a trade. @param {import("node:http").IncomingMessage} request @param {Buffer} body */
function tradeFault(request, body) {
  const odd = Object.keys(request.headers).filter((name) => /^x-byok-|authorization|api-key/.test(name));
  if (odd.length > 0) return `${odd} went along with a sign-in`;
  const sent = Object.keys(JSON.parse(body.toString("utf8"))).sort().join();
  return sent === "code,code_challenge_method,code_verifier" ? undefined : `a sign-in of ${sent}`;
}

/** The description with the passthrough spelt out: one path for each endpoint that is relayed.
 * @param {any} description */
function spellOut(description) {
  const generic = description.paths["/providers/{id}/{path}"];
  /** @type {Record<string, any>} */
  const paths = {};
  for (const [id, list] of Object.entries(description["x-keyferry-endpoints"])) {
    for (const endpoint of /** @type {string[]} */ (list)) {
      const [methods = "", pattern = ""] = endpoint.split(" ");
      let count = 0;
      const path = `/providers/${id}${pattern}`.replace(/\*\*?/g, () => `{part${(count += 1)}}`);
      const parameters = Array.from({ length: count }, (_, index) => ({
        name: `part${index + 1}`, in: "path", required: true, schema: { type: "string", minLength: 1 },
      }));
      paths[path] ??= { parameters };
      for (const method of methods.toLowerCase().split(",")) {
        const operation = { ...generic[method] };
        operation.operationId = `${method} ${path}`;
        paths[path][method] = operation;
      }
    }
  }
  return { ...description, paths };
}

const tool = join(await environment([`schemathesis==${VERSION}`]), "schemathesis");
const folder = await mkdtemp(join(tmpdir(), "keyferry-schemathesis-"));
/** @type {Set<string>} */
const faults = new Set();
/** @type {Record<string, string[]>} */
let endpoints = {};
let checkBodies = true;
let reached = 0;
const provider = createServer((request, response) => {
  /** @type {Buffer[]} */
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    reached += 1;
    const body = Buffer.concat(chunks);
    response.writeHead(200, { "content-type": "application/json" });
    if (request.url === TRADE && request.method === "POST") {
      const wrong = tradeFault(request, body);
      if (wrong !== undefined) faults.add(wrong);
      response.end(JSON.stringify({ key: `sk-or-v1-${"0".repeat(64)}` }));
      return;
    }
    const json = /\/(chat\/completions|completions|embeddings|responses)$/.test(request.url ?? "");
    const wrong =
      fault(request, endpoints) ??
      (checkBodies && json && request.method === "POST" ? bodyFault(body) : undefined);
    if (wrong !== undefined) faults.add(wrong);
    response.end(JSON.stringify({ object: "list", data: [{ id: "m", object: "model" }] }));
  });
});
const origin = `http://127.0.0.1:${await listen(provider)}`;

// Thousands of requests from one address: the limits have tests of their own.
const limits = "[limits]\nbyok_requests_per_hour = 1000000\nfailures_per_hour = 1000000\nkey_tests_per_minute = 1000000\n";
// No request may leave the machine: every provider of the catalogue is the stand-in.
const others = ["meta", "groq", "xai", "deepseek", "mistral"]
  .filter((id) => !IMITATED.includes(id))
  .map((id) => `[providers.${id}]\nbase_url = "${origin}"\n`)
  .join("");
const relay = await startRelay({ provider: origin, config: limits + others, log: "warn" });
let failed = false;

/** @param {string} name @param {any} description @param {string} examples @param {string[]} more */
async function attack(name, description, examples, more = []) {
  const file = join(folder, `${name}.json`);
  await writeFile(file, JSON.stringify(description));
  reached = 0;
  const code = await run(tool, [
    "run", file, "--url", relay.origin,
    "--header", `X-BYOK-Key: ${KEY}`,
    "--phases", "examples,coverage,fuzzing",
    "--mode", "all",
    "--max-examples", examples,
    "--seed", values.seed,
    "--workers", "1",
    "--continue-on-failure",
    "--suppress-health-check", "all",
    "--request-timeout", "20",
    "--warnings", "off",
    "--checks",
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,allow_header_conformance",
    "--output-sanitize", "true",
    "--no-color",
    ...more,
  ]);
  stdout.write(`${name}: ${reached} generated requests reached the provider\n`);
  if (code !== 0) failed = true;
  if (reached === 0) {
    stderr.write(`${name}: nothing reached the provider, so the run proved nothing\n`);
    failed = true;
  }
}

try {
  const description = await (await fetch(`${relay.origin}/openapi.json`)).json();
  endpoints = description["x-keyferry-endpoints"];
  await attack("documented", description, values.examples);
  // Native bodies are the provider's business; method, path and headers are the relay's.
  checkBodies = false;
  await attack("native", spellOut(description), String(Math.ceil(Number(values.examples) / 8)));
  for (const wrong of faults) {
    stderr.write(`reached the provider: ${wrong}\n`);
    failed = true;
  }
  const logs = relay.logs();
  if (/"message":"panic"/.test(logs) || logs.includes("CANARY")) {
    stderr.write(`the relay's log:\n${logs}\n`);
    failed = true;
  }
} finally {
  await relay.stop();
  provider.close();
  await rm(folder, { recursive: true, force: true });
}
exit(failed ? 1 : 0);

// The examples' own servers are copied along with the rest: they serve their folder and the package, and no other file.

import assert from "node:assert/strict";
import { request } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { freePort } from "../support/relay.mjs";
import { EXAMPLES } from "./support/build.mjs";
import { serveProcess } from "./support/serve.mjs";

/** The status of an answer to a path as it is, which `fetch` would tidy up. @param {string} origin @param {string} path @returns {Promise<number | undefined>} */
function statusOf(origin, path) {
  return new Promise((resolve, reject) => {
    const sent = request(origin, { path }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.once("error", reject).end();
  });
}

for (const example of ["script-tag", "strict-csp", "lease-node-route"]) {
  test(`${example} serves nothing outside its folders`, async (t) => {
    const server = await serveProcess(example, "server.js", [], await freePort());
    t.after(() => server.stop());
    const outside = join(EXAMPLES, example, "server.js");
    for (const path of [pathToFileURL(outside).href, `keyferry/${pathToFileURL(outside).href}`, `keyferry/${outside}`, "../server.js", "%2e%2e/server.js", "..%2fserver.js"]) {
      assert.equal(await statusOf(server.origin, `/${path}`), 404, path);
    }
    assert.notEqual(await statusOf(server.origin, "//"), 200, "what is no address");
    assert.equal(await statusOf(server.origin, "/"), 200, "it goes on serving");
    assert.equal(await statusOf(server.origin, "/keyferry/index.js"), 200);
  });
}

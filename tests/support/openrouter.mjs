// OpenRouter's sign-in, imitated: a page on which a person agrees, and the trade of code and verifier for a key.

import { createHash, randomBytes } from "node:crypto";

/** @typedef {import("node:http").IncomingMessage} Request @typedef {import("node:http").ServerResponse} Response */

/** The parts of a sign-in, to be mounted on a stand-in. */
export function signIn() {
  /** Challenges by code; each is good once. @type {Map<string, string>} */
  const codes = new Map();
  return {
    /** `GET /auth?callback_url=…&code_challenge=…&code_challenge_method=S256` */
    page: {
      /** @param {Request} request @param {Response} response */
      async handleRequest(request, response) {
        const asked = new URL(request.url ?? "/", "http://standin").searchParams;
        const challenge = asked.get("code_challenge");
        const callback = asked.get("callback_url");
        if (!callback || !challenge || asked.get("code_challenge_method") !== "S256") {
          response.writeHead(400, { "content-type": "text/plain" }).end("callback_url, code_challenge and S256 are needed");
          return true;
        }
        const code = randomBytes(16).toString("hex");
        codes.set(code, challenge);
        const yes = new URL(callback);
        yes.searchParams.set("code", code);
        const link = (/** @type {string} */ id, /** @type {string} */ href, /** @type {string} */ words) =>
          `<p><a data-testid="${id}" href="${href.replaceAll("&", "&amp;").replaceAll('"', "&quot;")}">${words}</a></p>`;
        response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(
          `<!doctype html><html lang="en"><title>Stand-in for OpenRouter</title><h1>Stand-in for OpenRouter</h1>
<p>Nobody signs in here: agreeing makes up a key.</p>${link("authorize", yes.href, "Authorize")}${link("refuse", callback, "Cancel")}</html>`,
        );
        return true;
      },
    },
    /** `POST /api/v1/auth/keys` */
    trade: {
      /** @param {Request} request @param {Response} response */
      async handleRequest(request, response) {
        let text = "";
        for await (const chunk of request) text += chunk;
        const { code, code_verifier: verifier, code_challenge_method: method } = JSON.parse(text);
        const challenge = codes.get(code);
        codes.delete(code);
        const proven = method === "S256" && createHash("sha256").update(String(verifier)).digest("base64url") === challenge;
        response
          .writeHead(proven ? 200 : 403, { "content-type": "application/json" })
          .end(JSON.stringify(proven ? { key: `sk-or-v1-${randomBytes(32).toString("hex")}`, user_id: "user_standin" } : { error: { code: 403, message: "Invalid code or code_verifier" } }));
        return true;
      },
    },
  };
}

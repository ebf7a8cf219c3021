// Gemini's resumable upload, which aimock lacks: `POST /upload/v1/files` with the command `start`
// answers with an upload URL in `x-goog-upload-url`; `upload` sends bytes from an offset, and with
// `finalize` the file is there (https://ai.google.dev/gemini-api/docs/files, "REST").

import { createHash } from "node:crypto";

const ORIGIN = "https://generativelanguage.googleapis.com";

/** @param {import("node:http").IncomingMessage} request */
async function bytesOf(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/**
 * Adds the endpoint to a stand-in, before it starts.
 * @param {import("@copilotkit/aimock").LLMock} mock
 */
export function serveGeminiFiles(mock) {
  /** @type {Map<string, {type: string, bytes: Buffer}>} */
  const uploads = new Map();
  mock.mount("/upload/v1/files", {
    async handleRequest(request, response) {
      const command = String(request.headers["x-goog-upload-command"] ?? "");
      const body = await bytesOf(request);
      const fail = (/** @type {string} */ message) => {
        response.writeHead(400, { "content-type": "application/json" });
        response.end(JSON.stringify({ error: { code: 400, message, status: "INVALID_ARGUMENT" } }));
        return true;
      };
      if (command === "start") {
        if (request.headers["x-goog-upload-protocol"] !== "resumable") return fail("no upload protocol");
        const id = `upload-${uploads.size + 1}`;
        uploads.set(id, { type: String(request.headers["x-goog-upload-header-content-type"]), bytes: Buffer.alloc(0) });
        // The real one answers with its own origin, whatever host it was asked on.
        response.writeHead(200, {
          "x-goog-upload-status": "active",
          "x-goog-upload-url": `${ORIGIN}/upload/v1/files?upload_id=${id}&upload_protocol=resumable`,
        });
        response.end();
        return true;
      }
      const id = new URL(request.url ?? "", ORIGIN).searchParams.get("upload_id") ?? "";
      const upload = uploads.get(id);
      if (!upload || !command.startsWith("upload")) return fail("no such upload");
      if (Number(request.headers["x-goog-upload-offset"]) !== upload.bytes.length) return fail("wrong offset");
      upload.bytes = Buffer.concat([upload.bytes, body]);
      const final = command.includes("finalize");
      response.writeHead(200, { "content-type": "application/json", "x-goog-upload-status": final ? "final" : "active" });
      const file = {
        name: `files/${id}`,
        mimeType: upload.type,
        sizeBytes: String(upload.bytes.length),
        sha256Hash: createHash("sha256").update(upload.bytes).digest("base64"),
        uri: `${ORIGIN}/v1/files/${id}`,
        state: "ACTIVE",
      };
      response.end(final ? JSON.stringify({ file }) : "");
      return true;
    },
  });
}

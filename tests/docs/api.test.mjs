// docs/api.md is what the package's declarations say.

import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";

import { installed } from "../support/bundle.mjs";

test("the API reference is that of the package", async () => {
  await installed();
  const script = fileURLToPath(new URL("../../vault-wasm/js/reference.mjs", import.meta.url));
  await promisify(execFile)(process.execPath, [script, "--check"]);
});

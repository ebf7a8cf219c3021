import { test } from "node:test";
import { built } from "./support/build.mjs";
import { useAsAPerson, visit } from "./support/drive.mjs";
import { serveFolder } from "./support/serve.mjs";

test("React follows the vault by useSyncExternalStore", async (t) => {
  const folder = await built("react");
  await useAsAPerson(await visit(t, (port) => serveFolder(folder, port)));
});

/** Opens the vault and starts the page; without a vault, says why and what to do. */
import { startApp } from "./app";
import { fill, h } from "./dom";
import { applyLanguage } from "./language";
import { fromVault, notLoaded } from "./problem";
import type { Problem } from "./problem";
import { strings } from "./strings";
import { problemPanel } from "./ui/problem-panel";
import { loadPackage } from "./vault";

async function main(): Promise<void> {
  applyLanguage();
  const place = document.getElementById("app");
  if (!place) return;
  const fail = (problem: Problem): void =>
    fill(
      place,
      h("main", { class: "main" }, h("div", {}, h("section", { class: "card card--narrow" }, h("h1", {}, strings.app.name), problemPanel(problem)))),
    );
  const loaded = await loadPackage().catch(() => null);
  if (!loaded) return fail(notLoaded());
  const { open, messageFor } = loaded;
  try {
    startApp(place, await open(), messageFor);
  } catch (error) {
    fail(fromVault(error, messageFor));
  }
}

void main();

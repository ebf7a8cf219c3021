/** Opens the vault and starts the page; without a vault, says why and what to do. */
import { startApp } from "./app";
import { fill, h } from "./dom";
import { fromVault } from "./problem";
import { strings } from "./strings";
import { problemPanel } from "./ui/problem-panel";
import { openPageVault } from "./vault";

async function main(): Promise<void> {
  const place = document.getElementById("app");
  if (!place) return;
  try {
    startApp(place, await openPageVault());
  } catch (error) {
    // A package that cannot be loaded has no code of its own.
    const known = typeof (error as { code?: unknown } | null)?.code === "string";
    const problem = fromVault(known ? error : { code: "worker_failed" });
    fill(
      place,
      h("main", { class: "main" }, h("div", {}, h("section", { class: "card card--narrow" }, h("h1", {}, strings.app.name), problemPanel(problem)))),
    );
  }
}

void main();

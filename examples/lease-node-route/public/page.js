import { openVault } from "keyferry";

const { relay } = await (await fetch("/config.json")).json();
const vault = await openVault({ relay });
const form = document.querySelector("form");
const output = document.querySelector("output");

form.querySelector("fieldset").disabled = false;
form.keys.onclick = () => vault.ui.open("keys");
form.onsubmit = async (event) => {
  event.preventDefault();
  const { model, prompt } = Object.fromEntries(new FormData(form));
  output.textContent = "";
  try {
    await ask(model, prompt);
  } catch (error) {
    output.textContent = `Failed: ${error.code ?? error.message}`;
  }
};

async function ask(model, prompt) {
  if (vault.state !== "unlocked") await vault.ui.open("unlock");
  // Good for one model, one minute and five cents, whoever gets hold of it.
  const { handle } = await vault.lease({ provider: "openai", ttlSeconds: 60, maxUsd: 0.05, models: [model] });
  const response = await fetch("/api/ask", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ lease: handle, model, prompt }),
  });
  if (!response.ok) throw Object.assign(new Error(response.statusText), await response.json());
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) output.append(read.value);
}

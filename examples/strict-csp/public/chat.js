/** A chat over `vault`, on whichever page. @param {import("keyferry").Vault} vault */
export function startChat(vault) {
  const show = () => (document.querySelector("#state").textContent = vault.state);
  vault.subscribe(show);
  show();

  document.querySelector("#keys").addEventListener("click", () => vault.ui.open("keys"));
  document.querySelector("#lock").addEventListener("click", () => vault.lock());
  // A request had no key it could use: the person is asked for what is missing.
  vault.addEventListener("keyneeded", ({ detail }) => vault.ui.open(detail.reason === "locked" ? "unlock" : "keys", detail));

  const form = document.querySelector("form");
  const answer = document.querySelector("#answer");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    answer.textContent = "";
    const response = await vault.fetch("https://api.openai.com/v1/chat/completions", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model: "gpt-4o-mini",
        messages: [{ role: "user", content: form.message.value }],
        stream: true,
      }),
    });
    if (!response.ok) {
      answer.textContent = (await response.json()).error.message;
      return;
    }
    for await (const piece of pieces(response.body)) answer.textContent += piece;
  });
}

/** The text in a stream of OpenAI's events, piece by piece. */
async function* pieces(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      if (line.startsWith("data: {")) yield JSON.parse(line.slice("data: ".length)).choices[0]?.delta.content ?? "";
    }
  }
}

import OpenAI from "openai";

/** A chat over `vault`, on whichever page. @param {import("keyferry").Vault} vault */
export function startChat(vault) {
  // The SDK insists on a key; the vault takes this one out and puts the person's in.
  const openai = new OpenAI({ apiKey: "in the vault", fetch: vault.fetch, dangerouslyAllowBrowser: true });

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
    try {
      const stream = await openai.chat.completions.create({
        model: "gpt-4o-mini",
        messages: [{ role: "user", content: form.message.value }],
        stream: true,
      });
      for await (const part of stream) answer.textContent += part.choices[0]?.delta.content ?? "";
    } catch (error) {
      answer.textContent = error.message;
    }
  });
}

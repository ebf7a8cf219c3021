import type { KeyNeeded, Vault } from "keyferry";
import { useVault } from "keyferry/react";
import OpenAI from "openai";
import { useEffect, useState, type FormEvent } from "react";

export function Chat() {
  // Every component that asks for it gets the same vault, and is rendered anew when it changes.
  const { vault, state, error } = useVault({ relay: "http://localhost:8787" });
  const [answer, setAnswer] = useState("");
  useAskForKeys(vault);

  async function send(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    if (!vault) return;
    const message = String(new FormData(event.currentTarget).get("message"));
    setAnswer("");
    try {
      for await (const piece of ask(vault, message)) setAnswer((text) => text + piece);
    } catch (thrown) {
      setAnswer(String(thrown));
    }
  }

  return (
    <main>
      <h1>Chat with your own key</h1>
      <p>
        Your vault is <output id="state">{state}</output>. {error?.message}
        <button disabled={!vault} onClick={() => vault?.ui.open("keys")}>Keys</button>
        <button disabled={state !== "unlocked"} onClick={() => vault?.lock()}>Lock</button>
      </p>
      <form onSubmit={send}>
        <input name="message" aria-label="Message" required />
        <button disabled={!vault}>Send</button>
      </form>
      <p id="answer" aria-live="polite">{answer}</p>
    </main>
  );
}

/** A request had no key it could use: the person is asked for what is missing. */
function useAskForKeys(vault: Vault | null) {
  useEffect(() => {
    const open = ({ detail }: CustomEvent<KeyNeeded>) => void vault?.ui.open(detail.reason === "locked" ? "unlock" : "keys", detail);
    vault?.addEventListener("keyneeded", open);
    return () => vault?.removeEventListener("keyneeded", open);
  }, [vault]);
}

async function* ask(vault: Vault, message: string) {
  // The SDK insists on a key; the vault takes this one out and puts the person's in.
  const openai = new OpenAI({ apiKey: "in the vault", fetch: vault.fetch, dangerouslyAllowBrowser: true });
  const stream = await openai.chat.completions.create({
    model: "gpt-4o-mini",
    messages: [{ role: "user", content: message }],
    stream: true,
  });
  for await (const part of stream) yield part.choices[0]?.delta.content ?? "";
}

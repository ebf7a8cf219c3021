"use client";

import { useVault } from "keyferry/react";
import OpenAI from "openai";
import { useEffect, useState } from "react";

/** @param {{ mode?: "frame" | "page" }} props */
export function Chat({ mode }) {
  // "opening" on the server and until the browser has connected to the vault.
  const { vault, state, error } = useVault({ relay: "http://localhost:8787", mode });
  const [answer, setAnswer] = useState("");

  useEffect(() => {
    if (!vault) return;
    // A request had no key it could use: the person is asked for what is missing.
    const open = ({ detail }) => void vault.ui.open(detail.reason === "locked" ? "unlock" : "keys", detail);
    vault.addEventListener("keyneeded", open);
    return () => vault.removeEventListener("keyneeded", open);
  }, [vault]);

  async function send(event) {
    event.preventDefault();
    const content = event.currentTarget.message.value;
    // The SDK insists on a key; the vault takes this one out and puts the person's in.
    const openai = new OpenAI({ apiKey: "in the vault", fetch: vault.fetch, dangerouslyAllowBrowser: true });
    setAnswer("");
    try {
      const stream = await openai.chat.completions.create({
        model: "gpt-4o-mini",
        messages: [{ role: "user", content }],
        stream: true,
      });
      for await (const part of stream) setAnswer((text) => text + (part.choices[0]?.delta.content ?? ""));
    } catch (thrown) {
      setAnswer(thrown.message);
    }
  }

  return (
    <>
      <p>
        Your vault is <output id="state">{state}</output>. {error?.message}
        <button disabled={!vault} onClick={() => vault.ui.open("keys")}>Keys</button>
        <button disabled={state !== "unlocked"} onClick={() => vault.lock()}>Lock</button>
      </p>
      <form onSubmit={send}>
        <input name="message" aria-label="Message" required />
        <button disabled={!vault}>Send</button>
      </form>
      <p id="answer" aria-live="polite">{answer}</p>
    </>
  );
}

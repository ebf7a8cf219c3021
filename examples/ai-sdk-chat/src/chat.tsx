import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";
import type { Vault } from "keyferry";
import { useVault } from "keyferry/react";
import { useMemo, type FormEvent } from "react";
import { lease } from "./lease";

export function Chat() {
  const { vault, state, error } = useVault({ relay: "http://localhost:8787" });
  return (
    <main>
      <h1>Chat</h1>
      <p>
        Your vault is <output id="state">{state}</output>. {error?.message}
        <button disabled={!vault} onClick={() => vault?.ui.open("keys")}>Keys</button>
        <button disabled={state !== "unlocked"} onClick={() => vault?.lock()}>Lock</button>
      </p>
      {vault && <Conversation vault={vault} />}
    </main>
  );
}

function Conversation({ vault }: { vault: Vault }) {
  // Each request has a lease of its own: one that waited for the next question would have expired.
  const transport = useMemo(
    () => new DefaultChatTransport({ api: "/api/chat", headers: async () => ({ "X-BYOK-Lease": await lease(vault) }) }),
    [vault],
  );
  const { messages, sendMessage, status, stop, error } = useChat({ transport });
  const busy = status === "submitted" || status === "streaming";

  function send(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const text = String(new FormData(event.currentTarget).get("message"));
    event.currentTarget.reset();
    void sendMessage({ text });
  }

  return (
    <>
      <ol aria-live="polite">
        {messages.map(({ id, role, parts }) => (
          <li key={id} data-role={role}>
            {parts.map((part) => (part.type === "text" ? part.text : ""))}
          </li>
        ))}
      </ol>
      <p role="alert">{error?.message}</p>
      <form onSubmit={send}>
        <input name="message" aria-label="Message" required />
        <button disabled={busy}>Send</button>
        <button type="button" disabled={!busy} onClick={() => void stop()}>Stop</button>
      </form>
    </>
  );
}

import { Chat } from "./chat.jsx";

// Rendered on the server, `Chat` with it: importing keyferry there does nothing and opens nothing.
export default function Page() {
  return (
    <main>
      <h1>Chat with your own key</h1>
      <Chat />
    </main>
  );
}

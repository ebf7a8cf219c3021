"use client";

import "keyferry/elements"; // in page mode the dialogs are this page's own
import { Chat } from "../chat.jsx";

export default function Page() {
  return (
    <main>
      <h1>Chat with your own key</h1>
      <Chat mode="page" />
    </main>
  );
}

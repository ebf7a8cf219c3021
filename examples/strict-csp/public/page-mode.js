import { openVault } from "/keyferry/index.js";
import "/keyferry/elements.js"; // in page mode the dialogs are this page's own
import { startChat } from "./chat.js";

startChat(await openVault({ relay: "http://localhost:8787", mode: "page" }));

import { openVault } from "keyferry";
import "keyferry/elements"; // in page mode the dialogs are this page's own
import { startChat } from "./chat.js";

startChat(await openVault({ relay: "http://localhost:8787", mode: "page" }));

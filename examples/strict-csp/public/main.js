import { openVault } from "/keyferry/index.js";
import { startChat } from "./chat.js";

startChat(await openVault({ relay: "http://localhost:8787" }));

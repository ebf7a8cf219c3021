import { openVault } from "keyferry";
import { startChat } from "./chat.js";

startChat(await openVault({ relay: "http://localhost:8787" }));

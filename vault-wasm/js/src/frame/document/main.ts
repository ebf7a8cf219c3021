/**
 * The page inside the frame, on the vault's own origin. It owns the vault and
 * shows what a person does with it; the app around it gets a port that can use
 * the vault, and nothing else.
 */
import { openVault } from "../../index.js";
import { VaultError, type Failure } from "../../errors.js";
import { define } from "../../elements/define.js";
import { language } from "../../elements/strings/index.js";
import { FRAME_VERSION, VIEWS, type Connect, type ToApp, type ToFrame, type View } from "../protocol.js";
import { apply } from "./appearance.js";
import { embedders } from "./embedders.js";
import { borrow, lend } from "./shared.js";
import { Surface } from "./surface.js";

/** The vault's own default; an app can ask for less, not for more. */
const DEFAULT_LOCK_MINUTES = 30;

define();
let connected = false;
const allowed = embedders();
// Its failure is told to whoever connects.
allowed.catch(() => undefined);

if (window.parent === window) {
  language.choose(navigator.language);
  document.body.textContent = language.strings.notEmbedded;
} else {
  addEventListener("message", (event) => void receive(event));
}

async function receive(event: MessageEvent<Partial<Connect> | null>): Promise<void> {
  const { data, origin, source, ports } = event;
  const [control] = ports;
  // Only the page around this frame, not a sibling, an opener or a frame of ours.
  if (data?.t !== "keyferry" || source !== window.parent || !control) return;
  control.postMessage({ t: "alive" } satisfies ToApp);
  const refuse = (failure: Failure) => control.postMessage({ t: "refused", failure } satisfies ToApp);
  try {
    const may = (await allowed).has(origin);
    if (!may) return refuse({ code: "forbidden", message: `${origin} may not embed this vault.` });
    if (connected) return refuse({ code: "forbidden", message: "This frame is connected already." });
    if (data.v !== FRAME_VERSION) return refuse({ code: "reload_required", message: "The vault's frame is of another version. Reload this page." });
    connected = true;
    await connect(data, control);
  } catch (thrown) {
    const { code, message } = thrown instanceof VaultError ? thrown : { code: "worker_failed" as const, message: "The vault's frame failed." };
    refuse({ code, message });
  }
}

async function connect({ name: asked, autoLockMinutes, appearance, inline }: Partial<Connect>, control: MessagePort): Promise<void> {
  const name = typeof asked === "string" ? asked : "default";
  const isPart = inline !== null && inline !== undefined;
  const post = (message: ToApp, transfer: Transferable[] = []) => control.postMessage(message, transfer);
  apply(appearance);
  const opening =
    (isPart && borrow(name)) ||
    openVault({
      relay: location.origin,
      mode: "page",
      name,
      autoLockMinutes: Math.min(Number(autoLockMinutes) || DEFAULT_LOCK_MINUTES, DEFAULT_LOCK_MINUTES),
    });
  if (!isPart) lend(name, opening);
  const vault = await opening;
  const surface = new Surface(vault, post);
  control.onmessage = ({ data }: MessageEvent<Partial<ToFrame> | null>) => {
    switch (data?.t) {
      case "open":
        apply(data.appearance);
        return surface.open(viewOf(data.view), typeof data.provider === "string" ? data.provider : undefined);
      case "appearance":
        return apply(data.appearance);
      case "dismiss":
        return surface.dismiss();
    }
  };
  touchOnActivity(() => vault.touch());
  if (!isPart) return post({ t: "ready" }, [vault.share()]);
  surface.inline(viewOf(inline));
  post({ t: "ready" });
}

function viewOf(view: unknown): View {
  return VIEWS.find((known) => known === view) ?? "settings";
}

/** Typing and reading here is use of the vault: it should not lock under one's hands. */
function touchOnActivity(touch: () => void): void {
  const every = 20_000;
  let last = 0;
  const used = (): void => {
    const now = Date.now();
    // A clock set back would otherwise silence this until it has caught up.
    if (Math.abs(now - last) < every) return;
    last = now;
    touch();
  };
  for (const type of ["pointerdown", "keydown", "wheel"]) addEventListener(type, used, { passive: true, capture: true });
}

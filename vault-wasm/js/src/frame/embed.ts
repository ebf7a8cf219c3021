import { VaultError } from "../errors.js";
import { OPEN_TIMEOUT_MS } from "../wire.js";
import { FRAME_VERSION, type Connect, type ToApp, type ToFrame } from "./protocol.js";

/** The frame's page and scripts, over the network. */
const LOAD_TIMEOUT_MS = 15_000;
/** A page that has loaded answers at once, when it is the vault's at all. */
const ANSWER_TIMEOUT_MS = 3_000;

/** One frame of the vault's origin in this page, and the port to it. */
export class Embedded {
  readonly element: HTMLIFrameElement;
  readonly #control: MessagePort;

  private constructor(element: HTMLIFrameElement, control: MessagePort) {
    this.element = element;
    this.#control = control;
  }

  /**
   * Puts the frame into `place` and greets it. Resolves with the port to the
   * vault that it hands over, null for an inline one. Rejects with the frame's
   * refusal, or `worker_failed` when nothing answers: browsers do not say
   * whether a frame was refused or is merely slow.
   */
  static async load(
    place: Node,
    origin: string,
    connect: Omit<Connect, "t" | "v">,
    receive: (message: ToApp) => void,
  ): Promise<{ embedded: Embedded; port: MessagePort | null }> {
    const element = document.createElement("iframe");
    element.src = `${origin}/frame`;
    element.title = "Keyferry";
    element.allow = ["publickey-credentials-get", "publickey-credentials-create", "clipboard-write"]
      .map((feature) => `${feature} ${origin}`)
      .join("; ");
    element.style.cssText = "display:block;width:100%;border:0;color-scheme:light dark";
    const { port1: control, port2: theirs } = new MessageChannel();
    const embedded = new Embedded(element, control);
    try {
      const port = await new Promise<MessagePort | null>((resolve, reject) => {
        let timer: ReturnType<typeof setTimeout>;
        const within = (ms: number, message: string) => {
          clearTimeout(timer);
          timer = setTimeout(() => reject(new VaultError("worker_failed", message)), ms);
        };
        within(LOAD_TIMEOUT_MS, `The vault's frame at ${origin} did not load.`);
        control.onmessage = ({ data, ports }: MessageEvent<ToApp>) => {
          switch (data.t) {
            case "alive":
              return within(OPEN_TIMEOUT_MS, "The vault did not open in time.");
            case "ready":
              resolve(ports[0] ?? null);
              break;
            case "refused":
              reject(VaultError.from(data.failure));
              break;
            default:
              return receive(data);
          }
          clearTimeout(timer);
        };
        element.addEventListener(
          "load",
          () => {
            within(ANSWER_TIMEOUT_MS, `The vault's frame at ${origin} did not answer. Is ${location.origin} among its embedders?`);
            // Only a document of the vault's origin gets this: not the error page of a refused frame, nor another site's.
            element.contentWindow?.postMessage({ t: "keyferry", v: FRAME_VERSION, ...connect } satisfies Connect, origin, [theirs]);
          },
          { once: true },
        );
        place.appendChild(element);
      });
      return { embedded, port };
    } catch (thrown) {
      embedded.remove();
      throw thrown;
    }
  }

  post(message: ToFrame): void {
    this.#control.postMessage(message);
  }

  remove(): void {
    this.#control.close();
    this.element.remove();
  }
}

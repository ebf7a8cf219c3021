/**
 * OpenRouter's sign-in (OAuth with PKCE, RFC 7636): a person agrees on its
 * site, which hands a one-time code to the relay's callback page; the relay
 * trades code and verifier for a new key, encrypted to a one-time key of this
 * document. Neither a proxy nor the app around sees it.
 */
type Bytes = Uint8Array<ArrayBuffer>;

const STATE_BYTES = 16;
const VERIFIER_BYTES = 32;
/** The relay's route, and the page at which OpenRouter ends. */
const ROUTE = "v1/connect/openrouter";
const CALLBACK = "connect/openrouter";
/** What the callback page sends, and what it waits for. */
const CODE = "keyferry:connect";
const TAKEN = "keyferry:connect-taken";
const CONTEXT = "keyferry connect openrouter v1";
const NONCE_BYTES = 12;

const encoder = new TextEncoder();

/** Where to sign in, as this document's own relay says; null where it offers none. */
export async function authorizeUrlOf(relay: string): Promise<string | null> {
  // The callback page talks to documents of its own origin only.
  if (new URL(relay).origin !== location.origin) return null;
  const response = await fetch(at(relay, ".well-known/keyferry"), { credentials: "omit" }).catch(() => null);
  const about: unknown = response?.ok ? await response.json().catch(() => null) : null;
  const url = (about as { connect?: { openrouter?: unknown } } | null)?.connect?.openrouter;
  return typeof url === "string" && /^https?:/.test(url) ? url : null;
}

/** One sign-in, from opening OpenRouter's page to the key. */
export class SignIn {
  /** To be opened in a window of its own. */
  readonly url: string;
  readonly #relay: string;
  readonly #state: string;
  readonly #verifier: string;
  readonly #pair: CryptoKeyPair;

  private constructor(relay: string, url: string, state: string, verifier: string, pair: CryptoKeyPair) {
    this.#relay = relay;
    this.url = url;
    this.#state = state;
    this.#verifier = verifier;
    this.#pair = pair;
  }

  /** Ahead of the click: browsers open windows only right after one. */
  static async prepare(relay: string, authorize: string): Promise<SignIn> {
    const state = base64url(random(STATE_BYTES));
    const verifier = base64url(random(VERIFIER_BYTES));
    const challenge = base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(verifier))));
    const pair = await crypto.subtle.generateKey({ name: "ECDH", namedCurve: "P-256" }, false, ["deriveBits"]);
    const callback = new URL(at(relay, CALLBACK));
    callback.searchParams.set("state", state);
    const url = new URL(authorize);
    url.searchParams.set("callback_url", callback.href);
    url.searchParams.set("code_challenge", challenge);
    url.searchParams.set("code_challenge_method", "S256");
    return new SignIn(relay, url.href, state, verifier, pair);
  }

  /**
   * The code, when the callback page brings it: through the window that opened
   * it, or, where a page in between cut those two apart, over a channel of
   * this origin. Empty when the person said no. Waits until `signal` aborts.
   */
  code(signal: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      const channel = new BroadcastChannel(CODE);
      const receive = ({ data, origin, source }: MessageEvent<{ type?: unknown; state?: unknown; code?: unknown } | null>): void => {
        // Whoever else can post to this window knows no state.
        if (origin !== location.origin || data?.type !== CODE || data.state !== this.#state || typeof data.code !== "string") return;
        const taken = { type: TAKEN, state: this.#state };
        if (source) (source as Window).postMessage(taken, location.origin);
        channel.postMessage(taken);
        end();
        resolve(data.code);
      };
      const end = (): void => {
        removeEventListener("message", receive);
        channel.close();
      };
      addEventListener("message", receive);
      channel.addEventListener("message", receive);
      signal.addEventListener("abort", () => {
        end();
        reject(signal.reason as Error);
      });
    });
  }

  /** Trades the code for a key, as UTF-8 bytes for the caller to wipe. Rejects with the relay's `code`, or `network`. */
  async key(code: string): Promise<Bytes> {
    const mine = new Uint8Array(await crypto.subtle.exportKey("raw", this.#pair.publicKey));
    const response = await fetch(at(this.#relay, ROUTE), {
      method: "POST",
      credentials: "omit",
      redirect: "error",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ code, codeVerifier: this.#verifier, publicKey: base64url(mine) }),
    }).catch(() => null);
    if (!response?.ok) throw Object.assign(new Error(), { code: response?.headers.get("x-byok-error") ?? "network" });
    const answer = (await response.json()) as { publicKey: string; ciphertext: string };
    const theirs = bytesOf(answer.publicKey);
    const peer = await crypto.subtle.importKey("raw", theirs, { name: "ECDH", namedCurve: "P-256" }, false, []);
    const shared = await crypto.subtle.deriveBits({ name: "ECDH", public: peer }, this.#pair.privateKey, 256);
    const material = await crypto.subtle.importKey("raw", shared, "HKDF", false, ["deriveKey"]);
    const info = new Uint8Array([...encoder.encode(CONTEXT), ...mine, ...theirs]);
    const hkdf = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(0), info };
    const aes = await crypto.subtle.deriveKey(hkdf, material, { name: "AES-GCM", length: 256 }, false, ["decrypt"]);
    // Both keys are new for each sign-in, so the one nonce is never used twice with them.
    const iv = new Uint8Array(NONCE_BYTES);
    return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, aes, bytesOf(answer.ciphertext)));
  }
}

function at(relay: string, path: string): string {
  return new URL(path, relay.endsWith("/") ? relay : `${relay}/`).href;
}

function random(length: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(length));
}

function base64url(bytes: Bytes): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function bytesOf(text: string): Bytes {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
}

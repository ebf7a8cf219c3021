import { VaultError } from "../errors.js";
import type { PasskeyAnswer, PasskeyRequest, PasskeySlot } from "../ops.js";

type Bytes = Uint8Array<ArrayBuffer>;
type Ceremonial = Pick<PasskeySlot, "credentialId" | "prfSalt">;

/** ES256, EdDSA, RS256 (COSE algorithm identifiers): what authenticators have. */
const ALGORITHMS = [-7, -8, -257];
const CHALLENGE_BYTES = 32;

/** Makes a passkey that can evaluate the PRF (WebAuthn Level 3 §10.1.4). */
export async function createPasskey(request: PasskeyRequest, name: string): Promise<PasskeyAnswer> {
  const { rpId, userId, prfSalt, passkeys } = request;
  const credential = await ceremony((signal) =>
    navigator.credentials.create({
      signal,
      publicKey: {
        rp: { id: rpId, name: rpId },
        user: { id: userId, name, displayName: name },
        challenge: challenge(),
        pubKeyCredParams: ALGORITHMS.map((alg) => ({ type: "public-key", alg })),
        authenticatorSelection: { userVerification: "required", residentKey: "preferred" },
        excludeCredentials: passkeys.map(descriptor),
        extensions: { prf: { eval: { first: prfSalt } } },
      },
    }),
  );
  const prf = credential.getClientExtensionResults().prf;
  if (prf?.enabled === false) throw new VaultError("passkey_failed", "This passkey cannot protect a vault: it has no PRF.");
  const credentialId = new Uint8Array(credential.rawId);
  const first = prf?.results?.first;
  // Many authenticators evaluate only when used, which takes a second tap.
  return first ? { credentialId, prf: bytes(first) } : usePasskey(rpId, [{ credentialId, prfSalt }]);
}

/** Has the person use one of these passkeys. */
export async function usePasskey(rpId: string, passkeys: Ceremonial[]): Promise<PasskeyAnswer> {
  if (passkeys.length === 0) throw new VaultError("passkey_failed", "The vault has no passkey.");
  const salts = passkeys.map(({ credentialId, prfSalt }) => [base64url(credentialId), { first: prfSalt }]);
  const credential = await ceremony((signal) =>
    navigator.credentials.get({
      signal,
      publicKey: {
        rpId,
        challenge: challenge(),
        userVerification: "required",
        allowCredentials: passkeys.map(descriptor),
        extensions: { prf: { evalByCredential: Object.fromEntries(salts) } },
      },
    }),
  );
  const first = credential.getClientExtensionResults().prf?.results?.first;
  if (!first) throw new VaultError("passkey_failed", "This passkey cannot protect a vault: it has no PRF.");
  return { credentialId: new Uint8Array(credential.rawId), prf: bytes(first) };
}

/** One ceremony at a time: the browser rejects a second, so the first is given up for it. */
let running: AbortController | undefined;

async function ceremony(hold: (signal: AbortSignal) => Promise<Credential | null>): Promise<PublicKeyCredential> {
  if (typeof PublicKeyCredential !== "function") {
    throw new VaultError("passkey_failed", "This browser has no passkeys here.");
  }
  running?.abort();
  const mine = (running = new AbortController());
  try {
    const credential = await hold(mine.signal);
    if (credential instanceof PublicKeyCredential) return credential;
    throw new VaultError("passkey_failed", "No passkey was given.");
  } catch (cause) {
    if (cause instanceof VaultError) throw cause;
    // The browser tells cancelling, running out of time and having none apart only vaguely, by design.
    const name = cause instanceof DOMException ? cause.name : "Error";
    throw new VaultError("passkey_failed", "The passkey was not used.", { detail: { name } });
  } finally {
    if (running === mine) running = undefined;
  }
}

/** The server that would check the signature does not exist: opening the vault is the check. */
function challenge(): Bytes {
  return crypto.getRandomValues(new Uint8Array(CHALLENGE_BYTES));
}

function descriptor({ credentialId }: Ceremonial): PublicKeyCredentialDescriptor {
  return { type: "public-key", id: credentialId };
}

/** A copy of its own buffer, so that moving it moves nothing else. */
function bytes(source: BufferSource): Bytes {
  const view = ArrayBuffer.isView(source) ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength) : new Uint8Array(source);
  const copy = new Uint8Array(view);
  view.fill(0);
  return copy;
}

function base64url(source: Bytes): string {
  return btoa(String.fromCharCode(...source)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

import type { PasskeyAnswer } from "../../ops.js";
import type { PasskeyInfo, RekeyOptions, SecretInput } from "../../types.js";
import type { Call } from "../link.js";
import { secretBytes } from "../secret.js";

/** Most pages of most people never hold a ceremony. */
const ceremony = () => import("../passkeys.js");

/** The passkeys that open the vault. Owner ports only; every method rejects with a VaultError. */
export class Passkeys {
  readonly #call: Call;

  /** @internal */
  constructor(call: Call) {
    this.#call = call;
  }

  /** Has the browser make a passkey and enrols it. Codes: `passkey_failed`, `wrong_password`, `locked`. */
  async add(password: SecretInput, name = "Passkey"): Promise<PasskeyInfo> {
    const request = await this.#call("passkeyRequest", {});
    const answer = await (await ceremony()).createPasskey(request, name);
    const { prfSalt } = request;
    return info(await this.#call("passkeysAdd", { ...answer, prfSalt, name, password: secretBytes(password) }));
  }

  /** Whether there is one. Unlike the list, a locked vault tells this too. */
  async any(): Promise<boolean> {
    return (await this.#call("passkeyRequest", {})).passkeys.length > 0;
  }

  /** Those enrolled. */
  async list(): Promise<PasskeyInfo[]> {
    return (await this.#call("passkeysList", {})).passkeys.map(info);
  }

  /**
   * Forgets a passkey and generates a new vault key, so that an old copy does
   * not open with it. Gives the new recovery code. Codes: `not_found`,
   * `wrong_password`, `passkey_failed`, `locked`.
   */
  async remove(id: string, password: SecretInput, options: RekeyOptions = {}): Promise<{ recoveryCode: string }> {
    const passkeys = await this.retap(options, id);
    return this.#call("passkeysRemove", { id, password: secretBytes(password), passkeys });
  }

  /** @internal One tap of each passkey that is to stay, all of which a new vault key must be wrapped for. */
  async retap({ passkeys = "drop" }: RekeyOptions, except?: string): Promise<PasskeyAnswer[]> {
    if (passkeys === "drop") return [];
    const { rpId, passkeys: slots } = await this.#call("passkeyRequest", {});
    const { usePasskey } = await ceremony();
    const answers: PasskeyAnswer[] = [];
    for (const slot of slots) if (slot.id !== except) answers.push(await usePasskey(rpId, [slot]));
    return answers;
  }

  /** @internal */
  async use(): Promise<PasskeyAnswer> {
    const { rpId, passkeys } = await this.#call("passkeyRequest", {});
    return (await ceremony()).usePasskey(rpId, passkeys);
  }
}

function info({ id, name, createdAt }: PasskeyInfo): PasskeyInfo {
  return { id, name, createdAt };
}

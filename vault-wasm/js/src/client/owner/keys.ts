import type { EnvImport, KeyChanges, KeyInfo, KeyTest, NewKey, SecretInput } from "../../types.js";
import type { Call } from "../link.js";
import { secretBytes } from "../secret.js";

/** The person's keys. Owner ports only; every method rejects with a VaultError, `locked` among its codes. */
export class Keys {
  readonly #call: Call;

  /** @internal */
  constructor(call: Call) {
    this.#call = call;
  }

  /** Stores a key. Codes: `bad_key_format`, `duplicate_key`, `duplicate_name`, `unknown_provider`, `quota`. */
  add({ key, ...fields }: NewKey): Promise<KeyInfo> {
    return this.#call("keysAdd", { ...fields, key: secretBytes(key) });
  }

  /** Everything about the keys except the keys. */
  async list(): Promise<KeyInfo[]> {
    return (await this.#call("keysList", {})).keys;
  }

  /** Changes what is given. Codes: `not_found`, `duplicate_name`. */
  update(id: string, changes: KeyChanges): Promise<KeyInfo> {
    return this.#call("keysUpdate", { ...changes, id });
  }

  /** Puts a new key in the place of an old one, after a test; a rejected one changes nothing. Codes: `not_found`, `key_rejected`, `bad_key_format`, `duplicate_key`. */
  rotate(id: string, key: SecretInput): Promise<KeyInfo> {
    return this.#call("keysRotate", { id, key: secretBytes(key) });
  }

  /** Deletes a key. Codes: `not_found`. */
  async remove(id: string): Promise<void> {
    await this.#call("keysRemove", { id });
  }

  /** Tries a key at its provider; `deep` generates one token, which costs next to nothing. Codes: `not_found`, `network`, `relay_refused`. */
  test(id: string, { deep = false }: { deep?: boolean } = {}): Promise<KeyTest> {
    return this.#call("keysTest", { id, deep });
  }

  /** The key itself, as UTF-8 bytes for the caller to wipe. Codes: `not_found`, `wrong_password`. */
  async reveal(id: string, password: SecretInput): Promise<Uint8Array> {
    return (await this.#call("keysReveal", { id, password: secretBytes(password) })).key;
  }

  /** Takes the keys out of an `.env` file, their providers known by variable name or by shape. */
  importEnv(text: SecretInput): Promise<EnvImport> {
    return this.#call("keysImportEnv", { text: secretBytes(text) });
  }
}

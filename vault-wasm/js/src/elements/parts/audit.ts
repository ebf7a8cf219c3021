import { html } from "lit";
import type { AuditEvent } from "../../types.js";
import { textField } from "../base/fields.js";
import { Part } from "../base/part.js";
import { language } from "../strings/index.js";

/** What is read; the vault keeps more. */
const READ = 1_000;
/** More lines than anybody reads would only be slow. */
const SHOWN = 200;

/** What was done with the vault, newest first. */
export class Audit extends Part {
  static override properties = { events: { state: true }, names: { state: true }, filter: { state: true } };

  declare events: readonly AuditEvent[] | null;
  declare names: ReadonlyMap<string, string>;
  declare filter: string;

  constructor() {
    super();
    this.events = null;
    this.names = new Map();
    this.filter = "";
  }

  protected override changed(): void {
    void this.load(async (vault) => [await vault.audit({ limit: READ }), await vault.keys.list(), await vault.passkeys.list()] as const).then(
      (read) => {
        if (!read) return;
        const [events, keys, passkeys] = read;
        this.events = events;
        this.names = new Map([...keys.map((key) => [key.id, this.keyName(key)] as const), ...passkeys.map(({ id, name }) => [id, name] as const)]);
      },
    );
  }

  protected override render() {
    const text = this.text.audit;
    const wanted = this.filter.trim().toLowerCase();
    const lines = (this.events ?? []).map((event) => ({ event, what: this.#what(event), about: this.names.get(event.id ?? "") ?? "" }));
    const shown = lines.filter(({ event, what, about }) => `${what} ${about} ${event.action}`.toLowerCase().includes(wanted)).slice(0, SHOWN);
    return this.section(
      text.title,
      html`${this.problems()}
        ${textField({
          name: "filter",
          label: text.filter,
          hint: text.filterHint,
          type: "search",
          value: this.filter,
          testId: "audit-filter",
          input: ({ currentTarget }) => (this.filter = (currentTarget as HTMLInputElement).value),
        })}
        <p class="note" role="status">
          ${this.events === null ? this.text.loading : this.events.length === 0 ? text.empty : shown.length === 0 ? text.none : ""}
        </p>
        <div class="scroll" tabindex="0" role="group" aria-label=${text.title}>
          <table>
            <thead>
              <tr>
                <th scope="col">${text.time}</th>
                <th scope="col">${text.what}</th>
                <th scope="col">${text.about}</th>
              </tr>
            </thead>
            <tbody>
              ${shown.map(
                ({ event, what, about }) => html`<tr data-testid="audit-row" data-action=${event.action}>
                  <td><time datetime=${new Date(event.at).toISOString()}>${new Date(event.at).toLocaleString(language.tag)}</time></td>
                  <td>${what}</td>
                  <td>${about}</td>
                </tr>`,
              )}
            </tbody>
          </table>
        </div>`,
    );
  }

  #what({ action, number }: AuditEvent): string {
    const text = this.text.audit;
    const name = text.events[action] ?? action;
    if (action === "request" || action === "leased") return `${name}, ${text.answered(number)}`;
    return action === "imported" ? `${name}, ${text.keys(number)}` : name;
  }
}

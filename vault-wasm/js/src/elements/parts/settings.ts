import { css, html, nothing, type PropertyValues } from "lit";
import { openVault } from "../../index.js";
import type { View } from "../../frame/protocol.js";
import type { Repair, Unlock } from "../../types.js";
import { Part } from "../base/part.js";
import { styles } from "../base/styles.js";
import { language } from "../strings/index.js";

/** Sections that wait to be opened. */
const SECTIONS = ["usage", "passkeys", "backup", "audit", "preferences"] as const;
type Section = (typeof SECTIONS)[number];

/**
 * Everything a person does with their vault, in one element. In frame mode it
 * is a window into the vault's own origin; in page mode its parts are here.
 *
 * Set `vault`, or the attribute `relay` (and `name`) to have it opened.
 */
export class Settings extends Part {
  static override styles = [
    styles,
    css`
      :host {
        min-height: 12rem;
      }
      .all {
        display: grid;
        gap: 1.25rem;
      }
    `,
  ];
  static override properties = {
    relay: {},
    name: {},
    view: {},
    provider: {},
    code: { state: true },
    byCode: { state: true },
    shown: { state: true },
    creating: { state: true },
    repairing: { state: true },
    repaired: { state: true },
    framed: { state: true },
  };

  declare relay: string | undefined;
  declare name: string | undefined;
  declare view: View | undefined;
  declare provider: string | undefined;
  /** A recovery code to be shown, once. */
  declare code: string | null;
  /** The vault is open before its recovery code has arrived here: nothing else may come in between. */
  declare creating: boolean;
  /** As {@link creating}, with what a repair found. */
  declare repairing: boolean;
  /** To be shown, once. */
  declare repaired: Repair | null;
  /** The person came in with the recovery code. */
  declare byCode: boolean;
  /** Sections that were opened: only those are read and drawn. */
  declare shown: ReadonlySet<Section>;
  declare framed: "no" | "loading" | "yes";
  #unmount: (() => void) | undefined;

  constructor() {
    super();
    this.code = null;
    this.creating = false;
    this.repairing = false;
    this.repaired = null;
    this.byCode = false;
    this.shown = new Set();
    this.framed = "no";
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#unmount?.();
    this.#unmount = undefined;
    this.framed = "no";
  }

  protected override willUpdate(changed: PropertyValues): void {
    super.willUpdate(changed);
    this.dir = language.direction;
    this.lang = language.tag;
    if (this.vault?.state !== "unlocked" && this.shown.size > 0) this.shown = new Set();
    if (this.vault?.state === "locked") this.byCode = false;
  }

  protected override updated(): void {
    if (!this.vault && this.relay !== undefined && !this.busy && !this.problem) void this.#open(this.relay);
    if (this.vault?.ui.where === "frame" && this.framed === "no") void this.#mount();
  }

  async #open(relay: string): Promise<void> {
    await this.run(async () => {
      this.vault = await openVault({ relay, ...(this.name && { name: this.name }) });
    });
  }

  async #mount(): Promise<void> {
    const vault = this.vault;
    if (!vault) return;
    this.framed = "loading";
    await this.updateComplete;
    const place = this.renderRoot.querySelector(".frame");
    await this.run(async () => {
      const unmount = await vault.ui.mount(place ?? this.renderRoot, this.view);
      if (this.isConnected) this.#unmount = unmount;
      else unmount();
      this.framed = "yes";
    });
  }

  protected override render() {
    const { vault } = this;
    if (vault?.ui.where === "frame") {
      return html`${this.framed === "yes" ? nothing : html`<p class="muted" role="status">${this.text.loading}</p>`}
        ${this.problems()}
        <div class="frame"></div>`;
    }
    if (!vault) return this.problem ? this.problems() : html`<p class="muted" role="status">${this.text.loading}</p>`;
    if (this.code !== null) {
      return html`<keyferry-recovery-code
        exportparts="card,field,problem"
        .code=${this.code}
        .done=${() => {
          this.code = null;
          this.#finished();
        }}
      ></keyferry-recovery-code>`;
    }
    if (vault.state === "empty" || this.creating) {
      return html`<keyferry-create exportparts="card,field,problem" .vault=${vault} .create=${this.#create}></keyferry-create>`;
    }
    if (this.repaired) {
      return html`<keyferry-repaired
        exportparts="card"
        .vault=${vault}
        .result=${this.repaired}
        .done=${() => {
          this.repaired = null;
          this.#finished();
        }}
      ></keyferry-repaired>`;
    }
    if (vault.state === "locked" || this.repairing) {
      return html`<keyferry-unlock
        exportparts="card,field,problem"
        .vault=${vault}
        .showCode=${this.showCode}
        .repair=${this.#repair}
        @keyferry-by-code=${() => (this.byCode = true)}
      ></keyferry-unlock>`;
    }
    const section = SECTIONS.find((name) => name === this.view);
    if (section) return this.#part(section, false);
    return html`<div class="all">
      ${this.byCode ? this.#afterCode() : nothing}
      <keyferry-keys exportparts="card,field,problem" .vault=${vault} .toBackup=${this.view === "keys" ? undefined : this.#toBackup}></keyferry-keys>
      <keyferry-add-key exportparts="card,field,problem" .vault=${vault} .provider=${this.provider}></keyferry-add-key>
      ${this.view === "keys" ? nothing : SECTIONS.map((name) => this.#section(name))}
    </div>`;
  }

  /** The way to a new password, for whoever came in with the recovery code. */
  #afterCode() {
    const { afterCode, chooseNew } = this.text.unlock;
    return html`<div class="notice stack">
      <p role="status">${afterCode}</p>
      ${this.view === "keys"
        ? nothing
        : html`<div class="row"><button class="button" data-testid="after-code" @click=${this.#toBackup}>${chooseNew}</button></div>`}
    </div>`;
  }

  #section(name: Section) {
    const open = ({ currentTarget }: Event) => {
      if ((currentTarget as HTMLDetailsElement).open) this.shown = new Set([...this.shown, name]);
    };
    return html`<details class="card" part="card" @toggle=${open}>
      <summary data-testid="section-${name}">${this.text[name].title}</summary>
      ${this.shown.has(name) ? this.#part(name, true) : nothing}
    </details>`;
  }

  #part(name: Section, bare: boolean) {
    const { vault } = this;
    const parts = "card,field,problem";
    switch (name) {
      case "usage":
        return html`<keyferry-usage exportparts=${parts} .vault=${vault} .bare=${bare}></keyferry-usage>`;
      case "passkeys":
        return html`<keyferry-passkeys exportparts=${parts} .vault=${vault} .bare=${bare} .showCode=${this.showCode}></keyferry-passkeys>`;
      case "backup":
        return html`<keyferry-backup exportparts=${parts} .vault=${vault} .bare=${bare} .cameByCode=${this.byCode} .showCode=${this.showCode}></keyferry-backup>`;
      case "audit":
        return html`<keyferry-audit exportparts=${parts} .vault=${vault} .bare=${bare}></keyferry-audit>`;
      case "preferences":
        return html`<keyferry-preferences exportparts=${parts} .vault=${vault} .bare=${bare}></keyferry-preferences>`;
    }
  }

  /** True while the person is in the middle of something that must not be cut short. */
  get inTheMiddle(): boolean {
    return this.creating || this.repairing || this.code !== null || this.repaired !== null;
  }

  /** Puts the keyboard where a person would start. */
  focusFirst(): void {
    const part = this.renderRoot.querySelector<Part>("keyferry-create, keyferry-unlock, keyferry-add-key");
    void part?.updateComplete.then(() => part.renderRoot.querySelector<HTMLElement>("input:not(.quiet), select")?.focus());
  }

  /** Shows a new recovery code. */
  readonly showCode = (code: string): void => {
    this.code = code;
    this.byCode = false;
  };

  readonly #toBackup = (): void => {
    const summary = this.renderRoot.querySelector<HTMLElement>('[data-testid="section-backup"]');
    const section = summary?.closest("details");
    if (!section) return;
    section.open = true;
    section.scrollIntoView({ block: "start" });
    summary?.focus();
  };

  readonly #create = async (password: string): Promise<void> => {
    if (!this.vault) return;
    this.creating = true;
    try {
      this.code = (await this.vault.create(password)).recoveryCode;
    } finally {
      this.creating = false;
    }
  };

  readonly #repair = async (how: Unlock, drop: boolean): Promise<void> => {
    if (!this.vault) return;
    this.repairing = true;
    try {
      this.repaired = await this.vault.repair(how, { drop });
    } finally {
      this.repairing = false;
    }
  };

  /** Tells whoever shows this as a dialog that the vault is ready for use. */
  #finished(): void {
    this.dispatchEvent(new Event("keyferry-ready"));
  }
}

/** One screen of the page. */
export interface View {
  readonly root: HTMLElement;
  /** Puts the keyboard where a person would start. */
  focus(): void;
}

import { css } from "lit";

/** The model picker: its button, and the list that opens from it. */
export const pickerStyles = css`
  .trigger {
    display: flex;
    align-items: center;
    justify-content: space-between;
    gap: 0.75rem;
    width: 100%;
    min-height: 2.75rem;
    padding: 0.5rem 0.75rem;
    border: 1px solid var(--line-strong);
    border-radius: var(--radius);
    background: var(--field);
    text-align: start;
    cursor: pointer;
  }
  .trigger .name {
    min-width: 0;
    flex: 1;
    overflow: hidden;
    text-overflow: ellipsis;
    white-space: nowrap;
  }
  /* As the selects beside it have it. */
  .trigger::after {
    content: "";
    flex: none;
    border: 0.32rem solid transparent;
    border-block: 0.32rem solid currentcolor;
    border-block-end-width: 0;
    margin-inline-end: 0.0625rem;
  }
  [popover] {
    position: fixed;
    inset: auto;
    margin: 0;
    padding: 0;
    border: 1px solid var(--line-strong);
    border-radius: calc(var(--radius) * 1.2);
    background: var(--card);
    color: var(--text);
    box-shadow: 0 12px 40px rgb(0 0 0 / 25%);
    overflow: hidden;
  }
  [popover]:popover-open {
    display: flex;
    flex-direction: column;
  }
  .head {
    display: grid;
    gap: 0.5rem;
    padding: 0.75rem;
    border-block-end: 1px solid var(--line);
  }
  .head .tick {
    align-items: center;
    font-size: 0.9375rem;
    font-weight: 400;
  }
  .head .tick input {
    margin: 0;
  }
  .columns {
    display: flex;
    justify-content: space-between;
    gap: 1rem;
    font-size: 0.8125rem;
    color: var(--muted);
  }
  .list {
    flex: 1;
    min-height: 0;
    padding-block-end: 0.5rem;
    overflow-y: auto;
    overscroll-behavior: contain;
    scroll-padding-block-start: 2rem;
  }
  .provider {
    position: sticky;
    inset-block-start: 0;
    padding: 0.5rem 0.75rem 0.25rem;
    background: var(--card);
    font-size: 0.8125rem;
    font-weight: 650;
    color: var(--muted);
  }
  .option {
    display: grid;
    grid-template-columns: minmax(0, 1fr) auto;
    align-items: center;
    gap: 0 0.75rem;
    min-height: 2.5rem;
    margin-inline: 0.375rem;
    padding: 0.25rem 0.5rem;
    border-radius: calc(var(--radius) * 0.7);
    cursor: pointer;
    scroll-margin-block: 0.5rem;
  }
  .option .name {
    overflow-wrap: anywhere;
  }
  .option[aria-selected="true"] .name {
    font-weight: 650;
  }
  .option[aria-selected="true"] .name::after {
    content: " ✓";
    color: var(--accent);
  }
  .option:hover {
    background: var(--soft);
  }
  .option.active {
    outline: 2px solid var(--focus);
    outline-offset: -2px;
    background: var(--soft);
  }
  .facts {
    display: flex;
    align-items: center;
    justify-content: flex-end;
    gap: 0.625rem;
    font-size: 0.8125rem;
    font-variant-numeric: tabular-nums;
    color: var(--muted);
    white-space: nowrap;
  }
  .payer {
    padding: 0.0625rem 0.5rem;
    border: 1px solid var(--line);
    border-radius: 1rem;
    font-size: 0.75rem;
    font-weight: 600;
  }
  .payer[data-payer="own"],
  .payer[data-payer="openrouter"] {
    border-color: var(--good);
    color: var(--good);
  }
  .payer[data-payer="app"] {
    border-color: var(--focus);
    color: var(--focus);
  }
  .empty {
    padding: 1rem 0.75rem;
    color: var(--muted);
  }
  @media (max-width: 30rem) {
    .option {
      grid-template-columns: minmax(0, 1fr);
      padding-block: 0.375rem;
    }
    .facts {
      justify-content: flex-start;
    }
  }
`;

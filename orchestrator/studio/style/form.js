/** The form. */

import { css } from "../vendor/lit-3.3.3.js";

export const formStyles = css`
  .form {
    display: grid;
    gap: 1.35rem;
    padding: var(--inner) var(--inner) 0;
    border: 1px solid var(--line);
    border-radius: var(--radius);
    background: var(--surface);
  }
  .field {
    display: grid;
    gap: 0.45rem;
  }
  .pair {
    display: grid;
    grid-template-columns: repeat(auto-fit, minmax(min(100%, 11.5em), 1fr));
    gap: 1rem;
    align-items: start;
  }
  legend,
  .field > label:not(.drop),
  .toggle label,
  summary {
    padding: 0;
    font-weight: 600;
  }
  legend {
    margin-bottom: 0.45rem;
  }
  small,
  output {
    color: var(--muted);
    font-size: 0.875em;
    font-weight: 400;
  }
  textarea,
  select,
  input[type="number"],
  input[type="password"] {
    width: 100%;
    min-height: 2.75em;
    padding: 0.55em 0.75em;
    border: 1px solid var(--edge);
    border-radius: 9px;
    background: var(--surface);
    color: var(--text);
    font: inherit;
  }
  textarea {
    min-height: 7.5em;
    resize: vertical;
    line-height: 1.5;
  }
  ::placeholder {
    color: var(--muted);
    opacity: 1;
  }
  input:disabled {
    border-color: var(--line);
    background: var(--sunken);
    color: var(--muted);
  }
  .count {
    justify-self: end;
    font-variant-numeric: tabular-nums;
  }
  .over {
    color: var(--bad);
    font-weight: 600;
  }
  .row {
    display: flex;
    flex-wrap: wrap;
    gap: 3px;
    padding: 3px;
    border-radius: 11px;
    background: var(--sunken);
  }
  .choice {
    position: relative;
    flex: 1 1 auto;
    cursor: pointer;
  }
  .choice input,
  .tile input,
  .drop input {
    position: absolute;
    inset: 0;
    margin: 0;
    opacity: 0;
    cursor: inherit;
  }
  .choice span {
    display: grid;
    place-items: center;
    min-height: 2.35em;
    padding: 0.2em 0.7em;
    border-radius: 8px;
    color: var(--muted);
    text-align: center;
    transition: background-color 0.15s;
  }
  .choice:hover span {
    color: var(--text);
  }
  .choice input:checked + span {
    background: var(--surface);
    color: var(--text);
    font-weight: 600;
    box-shadow: 0 0 0 1px var(--edge);
  }
  .choice input:focus-visible + span,
  .tile:has(:focus-visible),
  .drop:has(:focus-visible) {
    outline: 2px solid var(--accent);
    outline-offset: 2px;
  }
  .choice:has(:disabled),
  .tile:has(:disabled) {
    cursor: not-allowed;
  }
  .choice:has(:disabled) span {
    color: var(--muted);
    text-decoration: line-through;
  }
  .toggles {
    display: grid;
    gap: 1rem;
  }
  .toggle {
    display: grid;
    grid-template-columns: auto 1fr;
    gap: 0.1rem 0.75rem;
    align-items: center;
  }
  .toggle label {
    cursor: pointer;
  }
  .toggle .hint {
    grid-column: 2;
  }
  [role="switch"] {
    position: relative;
    appearance: none;
    width: 2.5em;
    height: 1.5em;
    margin: 0;
    border: 1px solid var(--edge);
    border-radius: 1em;
    background: var(--sunken);
    font: inherit;
    cursor: pointer;
    transition: background-color 0.15s;
  }
  [role="switch"]::before {
    content: "";
    position: absolute;
    inset: 0.17em auto 0.17em 0.2em;
    aspect-ratio: 1;
    border-radius: 50%;
    background: var(--edge);
    transition: translate 0.15s;
  }
  [role="switch"]:checked {
    border-color: var(--accent);
    background: var(--accent);
  }
  [role="switch"]:checked::before {
    background: var(--on-accent);
    translate: 0.98em 0;
  }
  .effect {
    color: var(--text);
    white-space: nowrap;
  }
  .drop {
    position: relative;
    display: grid;
    gap: 0.2rem;
    place-items: center;
    padding: 1.4rem 1rem;
    border: 1.5px dashed var(--edge);
    border-radius: 10px;
    text-align: center;
    cursor: pointer;
  }
  .drop.small {
    padding: 0.9rem;
  }
  .drop:hover {
    background: var(--sunken);
  }
  .picked {
    display: grid;
    gap: 0.5rem;
    justify-items: start;
  }
  .crop,
  .reference {
    display: block;
    max-width: 100%;
    max-height: 18rem;
    border-radius: 9px;
  }
  .dim {
    fill: light-dark(rgb(245 245 242 / 0.78), rgb(18 19 24 / 0.78));
  }
  .keep {
    fill: none;
    stroke: var(--accent);
    stroke-width: 2;
    vector-effect: non-scaling-stroke;
  }
  .advanced {
    border-block: 1px solid var(--line);
    padding-block: 0.35rem;
  }
  .advanced summary {
    padding-block: 0.5rem;
    cursor: pointer;
  }
  .advanced[open] > :not(summary) {
    margin-block: 0.6rem 1.1rem;
  }
  input[type="range"] {
    width: 100%;
  }
  .send {
    position: sticky;
    bottom: 0;
    z-index: 1;
    display: grid;
    gap: 0.6rem;
    margin: -0.5rem calc(-1 * var(--inner)) 0;
    padding: 0.9rem var(--inner);
    border-top: 1px solid var(--line);
    border-radius: 0 0 var(--radius) var(--radius);
    background: var(--surface);
  }
  .price {
    display: flex;
    flex-wrap: wrap;
    gap: 0.2rem 0.75rem;
    align-items: baseline;
    justify-content: space-between;
  }
  .price b {
    font-size: 1.25em;
    font-variant-numeric: tabular-nums;
  }
  .price[aria-busy="true"] b {
    color: var(--muted);
  }
  .form :is(input, textarea, select, summary) {
    scroll-margin-block: 1rem 11rem; /* what is focused is not hidden behind the price */
  }
  @media (max-width: 959px) {
    .send {
      grid-template-columns: minmax(0, 1fr) auto;
      align-items: center;
      padding-block: 0.65rem;
    }
    .send > .wrong,
    .send > #blocked {
      grid-column: 1 / -1;
    }
    .price {
      display: grid;
    }
  }
  @media (max-height: 499px) {
    .send {
      position: static;
    }
  }
  #blocked:empty {
    display: none;
  }
`;

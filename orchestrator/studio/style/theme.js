/** Colours, type and the parts that everything is made of. Contrasts meet WCAG AA in both themes; axe checks it. */

import { css } from "../vendor/lit-3.3.3.js";

export const theme = css`
  :host {
    color-scheme: light dark;
    --page: light-dark(#f5f5f2, #121318);
    --surface: light-dark(#ffffff, #1a1c23);
    --sunken: light-dark(#eeeeea, #22242d);
    --text: light-dark(#1d1e24, #eaebf0);
    --muted: light-dark(#595c68, #a9adba);
    --line: light-dark(#dddfe3, #30333e);
    --edge: light-dark(#868a96, #6f7482);
    --accent: light-dark(#3d4fc4, #a4b0ff);
    --on-accent: light-dark(#ffffff, #14172e);
    --tint: light-dark(#eceefb, #262a45);
    --good: light-dark(#1c6b3f, #7fd6a4);
    --bad: light-dark(#a8251f, #ffa79f);
    --bad-tint: light-dark(#fcefee, #3a2022);
    --radius: 12px;
    --inner: clamp(1rem, 2vw, 1.75rem);
    --pad: clamp(1rem, 2.5vw, 3rem);
    display: block;
    box-sizing: border-box;
    max-width: 3200px;
    margin-inline: auto;
    padding: var(--pad);
    background: var(--page);
    color: var(--text);
    font: 400 clamp(0.9375rem, 0.85rem + 0.2vw, 1.25rem) / 1.5 system-ui, "Segoe UI", Roboto, sans-serif;
    accent-color: var(--accent);
    -webkit-text-size-adjust: 100%;
  }
  :host([theme="light"]) {
    color-scheme: light;
  }
  :host([theme="dark"]) {
    color-scheme: dark;
  }
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  h2,
  h3,
  p,
  ol,
  figure,
  fieldset {
    margin: 0;
    padding: 0;
    border: 0;
    min-width: 0;
  }
  h2 {
    font-size: 1.375em;
    font-weight: 650;
    letter-spacing: -0.015em;
    line-height: 1.25;
  }
  .studio {
    display: grid;
    gap: clamp(1.5rem, 3vw, 3.5rem);
    align-items: start;
  }
  .studio > section {
    display: grid;
    gap: 1rem;
    min-width: 0;
  }
  @media (min-width: 960px) {
    .studio {
      grid-template-columns: minmax(380px, 32em) minmax(0, 1fr);
    }
  }
  @media (min-width: 960px) and (min-height: 600px) {
    .studio > section:first-child {
      position: sticky;
      top: var(--pad);
      grid-template-rows: auto minmax(0, 1fr);
      max-height: calc(100dvh - 2 * var(--pad));
    }
    .form {
      overflow: auto;
      overscroll-behavior: contain;
    }
  }
  .head {
    display: flex;
    align-items: center;
    justify-content: space-between;
    gap: 1rem;
    min-height: 2.5em;
  }
  button,
  .button {
    display: inline-flex;
    align-items: center;
    justify-content: center;
    min-height: 2.5em;
    padding: 0.3em 0.95em;
    border: 1px solid var(--edge);
    border-radius: 9px;
    background: var(--surface);
    color: var(--text);
    font: inherit;
    font-size: 0.9375em;
    text-decoration: none;
    cursor: pointer;
    transition: background-color 0.15s, border-color 0.15s;
  }
  button:hover,
  .button:hover {
    background: var(--sunken);
  }
  button:disabled {
    opacity: 0.55;
    cursor: not-allowed;
  }
  button.primary {
    min-height: 3em;
    border-color: transparent;
    background: var(--accent);
    color: var(--on-accent);
    font-size: 1.0625em;
    font-weight: 600;
  }
  button.primary:hover {
    background: color-mix(in oklab, var(--accent), var(--text) 14%);
  }
  button.primary[aria-disabled="true"] {
    background: var(--sunken);
    color: var(--muted);
    cursor: not-allowed;
  }
  button.quiet {
    border-color: transparent;
    background: transparent;
    color: var(--muted);
  }
  button.quiet:hover {
    background: var(--sunken);
    color: var(--text);
  }
  .more {
    justify-self: center;
  }
  :focus-visible {
    outline: 2px solid var(--accent);
    outline-offset: 2px;
  }
  .hint {
    color: var(--muted);
    font-size: 0.875em;
    line-height: 1.45;
  }
  .wrong {
    padding: 0.7em 0.9em;
    border-radius: 9px;
    background: var(--bad-tint);
    color: var(--bad);
    overflow-wrap: anywhere;
  }
  .note:not(.wrong) {
    color: var(--muted);
  }
  .offline {
    position: sticky;
    top: 0.5rem;
    z-index: 2;
    margin-bottom: 1rem;
    padding: 0.7em 1em;
    border-radius: 9px;
    background: var(--text);
    color: var(--page);
  }
  .gate {
    display: grid;
    gap: 1.1rem;
    max-width: 26em;
    margin: 12vh auto;
    padding: clamp(1.25rem, 4vw, 2.25rem);
    border: 1px solid var(--line);
    border-radius: var(--radius);
    background: var(--surface);
  }
  .sr {
    position: absolute;
    width: 1px;
    height: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  @media (prefers-reduced-motion: reduce) {
    *,
    *::before,
    *::after {
      animation: none !important;
      transition: none !important;
    }
  }
`;

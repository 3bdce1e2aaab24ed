/** The generations. */

import { css } from "../vendor/lit-3.3.3.js";

export const cardStyles = css`
  .cards {
    display: grid;
    grid-template-columns: repeat(auto-fill, minmax(min(100%, 26em), 1fr));
    gap: clamp(1rem, 1.6vw, 1.75rem);
    align-items: start;
  }
  .card {
    display: grid;
    gap: 0.7rem;
    padding: clamp(0.9rem, 1.4vw, 1.25rem);
    border: 1px solid var(--line);
    border-radius: var(--radius);
    background: var(--surface);
  }
  .card > * {
    min-width: 0;
  }
  .card header {
    display: flex;
    gap: 0.75rem;
    align-items: start;
    justify-content: space-between;
  }
  .card h3 {
    display: -webkit-box;
    overflow: hidden;
    font-size: 1em;
    font-weight: 600;
    line-height: 1.35;
    overflow-wrap: anywhere;
    -webkit-box-orient: vertical;
    -webkit-line-clamp: 2;
  }
  .state {
    flex: none;
    padding: 0.1em 0.65em;
    border: 1px solid currentColor;
    border-radius: 1em;
    color: var(--muted);
    font-size: 0.8125em;
  }
  .running .state,
  .queued .state {
    color: var(--accent);
  }
  .succeeded .state {
    color: var(--good);
  }
  .failed .state {
    color: var(--bad);
  }
  .facts,
  .made {
    color: var(--muted);
    font-size: 0.875em;
    overflow-wrap: anywhere;
  }
  .made {
    font-variant-numeric: tabular-nums;
  }
  .stage {
    display: block;
    width: 100%;
    aspect-ratio: 16 / 9;
    border-radius: 8px;
    background: var(--sunken);
  }
  video.stage {
    background: #000;
  }
  .stage.empty {
    display: grid;
    place-items: center;
    color: var(--muted);
  }
  .stage.waiting {
    display: flex;
    gap: 0.5em;
    align-items: center;
    justify-content: center;
    aspect-ratio: 32 / 9;
  }
  .waiting i {
    width: 0.5em;
    height: 0.5em;
    border-radius: 50%;
    background: var(--edge);
    animation: breathe 2.4s ease-in-out infinite alternate;
  }
  .waiting i:nth-child(2) {
    animation-delay: 0.4s;
  }
  .waiting i:nth-child(3) {
    animation-delay: 0.8s;
  }
  @keyframes breathe {
    from { opacity: 0.25; }
  }
  figcaption {
    margin-top: 0.35rem;
    color: var(--muted);
    font-size: 0.875em;
  }
  .stepper {
    display: grid;
    grid-auto-columns: minmax(0, 1fr);
    grid-auto-flow: column;
    grid-template-rows: repeat(3, auto);
    gap: 0.25rem 0.6rem;
    list-style: none;
  }
  .stepper li {
    display: grid;
    grid-row: span 3;
    grid-template-rows: subgrid;
    align-items: end;
    color: var(--muted);
    font-size: 0.875em;
    line-height: 1.3;
  }
  .stepper .now,
  .stepper .done {
    color: var(--text);
  }
  .stepper .name {
    font-weight: 600;
  }
  .stepper .done .name::after {
    content: " ✓" / "";
    color: var(--good);
  }
  .stepper .word {
    min-height: 1.3em;
    color: var(--muted);
    font-variant-numeric: tabular-nums;
  }
  progress {
    appearance: none;
    width: 100%;
    height: 6px;
    border: 0;
    border-radius: 3px;
    background: var(--sunken);
    overflow: hidden;
  }
  progress::-webkit-progress-bar {
    background: var(--sunken);
  }
  progress::-webkit-progress-value {
    background: var(--accent);
    transition: inline-size 0.6s linear;
  }
  progress::-moz-progress-bar {
    background: var(--accent);
  }
  .done progress::-webkit-progress-value {
    background: var(--good);
  }
  .done progress::-moz-progress-bar {
    background: var(--good);
  }
  .overall {
    display: flex;
    gap: 0.75rem;
    align-items: baseline;
    justify-content: space-between;
    font-variant-numeric: tabular-nums;
  }
  .overall span {
    color: var(--muted);
  }
  .card .note.wrong {
    display: grid;
    gap: 0.35rem;
    color: var(--text);
  }
  .card .note.wrong b {
    color: var(--bad);
  }
  .actions {
    display: flex;
    flex-wrap: wrap;
    gap: 0.5rem;
  }
  .actions > * {
    min-height: 2.25em;
    font-size: 0.875em;
  }
  .copy {
    font: 0.8125em / 1.5 ui-monospace, monospace;
  }
`;

/** The camera's small pictures, and how they move. */

import { css } from "../vendor/lit-3.3.3.js";

export const cameraStyles = css`
  .tiles {
    display: grid;
    grid-template-columns: repeat(4, minmax(0, 1fr));
    gap: 0.5rem;
  }
  .tile {
    position: relative;
    display: grid;
    gap: 0.3rem;
    padding: 0.3rem 0.3rem 0.4rem;
    border: 1px solid var(--line);
    border-radius: 10px;
    color: var(--muted);
    font-size: 0.8125em;
    line-height: 1.2;
    text-align: center;
    cursor: pointer;
  }
  .tile:hover {
    border-color: var(--edge);
    color: var(--text);
  }
  .tile:has(:checked) {
    border-color: var(--accent);
    background: var(--tint);
    box-shadow: inset 0 0 0 1px var(--accent);
    color: var(--text);
    font-weight: 600;
  }
  .tile:has(:disabled) .move {
    opacity: 0.35;
  }
  .tile:has(:disabled) span {
    text-decoration: line-through;
  }
  .move {
    display: block;
    width: 100%;
    border-radius: 6px;
  }
  .sky {
    fill: light-dark(#dbe4f4, #2b3350);
  }
  .sun {
    fill: light-dark(#efb04a, #e8bd6d);
  }
  .far {
    fill: light-dark(#a3b4cf, #47547c);
  }
  .near {
    fill: light-dark(#6f86a6, #2a3557);
  }
  .house {
    fill: light-dark(#354667, #c9d3ee);
  }
  .sign {
    fill: none;
    stroke: light-dark(#1d1e24, #ffffff);
    stroke-width: 1.6;
    stroke-linecap: round;
    stroke-linejoin: round;
  }
  .none .sign {
    stroke-dasharray: 3 3;
  }
  .scene {
    transform-origin: 32px 28px;
    animation: 5s ease-in-out infinite alternate;
  }
  .dolly_in .scene {
    animation-name: in;
  }
  .dolly_out .scene {
    animation-name: out;
  }
  .dolly_left .scene {
    animation-name: left;
  }
  .dolly_right .scene {
    animation-name: right;
  }
  .jib_up .scene {
    animation-name: up;
  }
  .jib_down .scene {
    animation-name: down;
  }
  @media (hover: hover) {
    .tile:not(:hover, :has(:checked), :has(:focus-visible)) .scene {
      animation-play-state: paused;
    }
  }
  @keyframes in {
    to { transform: scale(1.5); }
  }
  @keyframes out {
    from { transform: scale(1.5); }
  }
  @keyframes left {
    from { transform: translateX(-9px); }
    to { transform: translateX(9px); }
  }
  @keyframes right {
    from { transform: translateX(9px); }
    to { transform: translateX(-9px); }
  }
  @keyframes up {
    from { transform: translateY(-5px); }
    to { transform: translateY(6px); }
  }
  @keyframes down {
    from { transform: translateY(6px); }
    to { transform: translateY(-5px); }
  }
`;

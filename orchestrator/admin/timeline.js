/** A generation as a chart: one line for each stage run, from the request to the end. Every bar is also words. */

import { html, nothing, svg } from "../studio/vendor/lit-3.3.3.js";
import { STAGES, between, seconds } from "./words.js";

const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400];
const TICKS = 6;
const WORTH = 0.01; // of the whole: less time between runs is no line of its own
const THINNEST = 0.4; // percent of the width, so that a bar can be seen
const DID = { waiting: "waited for us", queued: "waited for a worker", running: "ran" };

/** Seconds at which lines stand: few, and round. */
export function ticks(length) {
  const step = STEPS.find((each) => length / each <= TICKS) ?? Math.ceil(length / TICKS / 86_400) * 86_400;
  return Array.from({ length: Math.floor(length / step) + 1 }, (_, index) => index * step);
}

export function timeline({ created_at: begin, finished_at: finished, at: now, runs, spans, sums }) {
  const length = Math.max(between(begin, finished ?? now), 0.001);
  const share = (time) => Math.min(Math.max((100 * between(begin, time)) / length, 0), 100);
  const lines = ticks(length);
  const idle = sums.between > WORTH * length ? spans.filter(({ run }) => run === null) : [];
  return html`
    <div class="timeline">
      <div class="axis" aria-hidden="true">
        <span></span>
        <svg>${lines.map((at) => svg`<text x="${(100 * at) / length}%" y="12" class=${at > 0.93 * length ? "last" : at === 0 ? "first" : "tick"}>${at === 0 ? "0" : seconds(at)}</text>`)}</svg>
      </div>
      <ol>
        ${runs.map((run, number) => {
          const own = spans.filter((span) => span.run === number);
          const words = own.map(({ passing, begins, ends }) => `${DID[passing]} ${seconds(between(begins, ends))}`).join(", ");
          const ended = run.finished_at ? run.state : `${run.state} now`;
          return html`<li>
            <div class="who">
              <b>${STAGES[run.stage]}</b> ${run.attempt > 1 ? html`attempt ${run.attempt}` : nothing}
              <span class="chip ${run.state}">${run.reused ? "found done" : run.state}</span>
              ${run.error ? html`<code class="bad">${run.error.code}</code>` : nothing}
            </div>
            <div class="bars">
              <svg role="img" aria-label="${STAGES[run.stage]}, attempt ${run.attempt}, ${ended}: ${words || "no time at all"}">
                ${lines.map((at) => svg`<line x1="${(100 * at) / length}%" x2="${(100 * at) / length}%" y1="0" y2="100%" />`)}
                ${own.map((span) => bar(span, share, run.state))}
              </svg>
              <p class="hint">${words || "no time at all"}</p>
            </div>
          </li>`;
        })}
        ${idle.length
          ? html`<li>
              <div class="who">Between runs</div>
              <div class="bars">
                <svg role="img" aria-label="Between runs: ${seconds(sums.between)}">
                  ${lines.map((at) => svg`<line x1="${(100 * at) / length}%" x2="${(100 * at) / length}%" y1="0" y2="100%" />`)}
                  ${idle.map((span) => bar(span, share, ""))}
                </svg>
                <p class="hint">${seconds(sums.between)} in all</p>
              </div>
            </li>`
          : nothing}
      </ol>
      <ul class="legend" aria-label="What the colours mean">
        <li class="waiting">waited for us</li>
        <li class="queued">waited for a worker</li>
        <li class="running succeeded">ran</li>
        <li class="running failed">ran in vain</li>
      </ul>
    </div>`;
}

function bar({ passing, begins, ends }, share, state) {
  const from = share(begins);
  const wide = Math.max(share(ends) - from, THINNEST);
  const words = `${DID[passing] ?? "between runs"}: ${seconds(between(begins, ends))}`;
  return svg`<rect class="${passing} ${state}" x="${Math.min(from, 100 - wide)}%" width="${wide}%" y="4" height="18" rx="3"><title>${words}</title></rect>`;
}

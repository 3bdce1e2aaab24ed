/** Generations by state, and the newest failures. */

import { html, nothing, repeat } from "../studio/vendor/lit-3.3.3.js";
import { link } from "./place.js";
import { NOTHING, STAGES, asked, between, clock, seconds } from "./words.js";

const LISTS = { live: "Under way", all: "Newest", failed: "Failed", canceled: "Canceled", succeeded: "Succeeded" };
const QUIET = 600; // seconds

export const short = (id) => html`<a href=${link({ generation: id })}><code>${id.slice(0, 8)}</code></a>`;

export function generationList({ generations }, at, now) {
  return html`
    <section aria-labelledby="generations">
      <h2 id="generations">${at.list === "live" ? "Under way, the longest quiet first" : `${LISTS[at.list] ?? at.list}, newest first`}</h2>
      <nav class="tabs" aria-label="Which generations">
        ${Object.entries(LISTS).map(
          ([list, name]) => html`<a href=${link({ ...at, list })} aria-current=${list === at.list ? "true" : nothing}>${name}</a>`,
        )}
      </nav>
      ${generations.length
        ? html`<table class="panel">
            <thead>
              <tr>
                <th scope="col">Generation</th><th scope="col">State</th><th scope="col">Newest stage run</th><th scope="col">Asked for</th>
                <th scope="col">Key</th><th scope="col">Since</th><th scope="col" class="number">${at.list === "live" ? "Quiet for" : "Took"}</th>
              </tr>
            </thead>
            <tbody>
              ${repeat(generations, ({ id }) => id, (each) => row(each, now))}
            </tbody>
          </table>`
        : html`<p class="hint">None.</p>`}
    </section>`;
}

function row(each, now) {
  const { id, state, owner, stage, attempt, run_state: run, progress, code, created_at: created, finished_at: finished } = each;
  const live = !finished;
  return html`<tr>
    <th scope="row">${short(id)}</th>
    <td><span class="chip ${state}">${state}</span> ${code ? html`<code class="bad">${code}</code>` : nothing}</td>
    <td>${stage ? html`${STAGES[stage]}${attempt > 1 ? `, attempt ${attempt}` : nothing}: ${run}${run === "running" ? ` ${Math.floor(100 * progress)} %` : nothing}` : NOTHING}</td>
    <td data-label="Asked for">${asked(each)}</td>
    <td data-label="Key">${owner}</td>
    <td data-label="Since"><time datetime=${created}>${clock(created, now)}</time></td>
    <td class="number" data-label=${live ? "Quiet for" : "Took"}>
      ${live ? html`<span class=${each.quiet_seconds > QUIET ? "bad" : nothing}>${seconds(each.quiet_seconds)}</span>` : seconds(between(created, finished))}
    </td>
  </tr>`;
}

export function failureList({ failures }, { list, code, stage }, now) {
  return html`
    <section aria-labelledby="failures">
      <h2 id="failures">Newest failed stage runs</h2>
      ${code || stage
        ? html`<p>Only ${code ? html`<code>${code}</code>` : nothing} ${stage ? `of ${STAGES[stage] ?? stage}` : nothing} · <a href=${link({ list })}>show all</a></p>`
        : nothing}
      ${failures.length
        ? html`<table class="panel">
            <thead>
              <tr><th scope="col">Time (UTC)</th><th scope="col">Code</th><th scope="col">Stage run</th><th scope="col">What it said</th><th scope="col">Generation</th></tr>
            </thead>
            <tbody>
              ${repeat(failures, ({ number }) => number, (each) => failure(each, list, now))}
            </tbody>
          </table>`
        : html`<p class="hint">None.</p>`}
    </section>`;
}

const failure = ({ finished_at: at, code, stage, attempt, message, generation_id: id, generation_state: state }, list, now) => html`<tr>
  <td><time datetime=${at}>${clock(at, now)}</time></td>
  <th scope="row"><a href=${link({ list, code })}><code>${code}</code></a></th>
  <td>${STAGES[stage]}, attempt ${attempt}</td>
  <td class="said">${message}</td>
  <td>${short(id)} <span class="chip ${state}">${state}</span></td>
</tr>`;

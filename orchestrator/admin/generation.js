/** One generation: where its time went, each stage run with its ids and hashes, its events and its webhook. */

import { html, nothing } from "../studio/vendor/lit-3.3.3.js";
import { timeline } from "./timeline.js";
import { NOTHING, STAGES, asked as wordsOf, between, bytes, clock, percent, seconds } from "./words.js";

export function generationView(report) {
  const { id, state, created_at: created, finished_at: finished, at: now, sums, wasted_seconds: wasted, error } = report;
  const took = between(created, finished ?? now);
  return html`
    <h2 class="id"><code>${id}</code> <span class="chip ${state}">${state}</span></h2>
    ${error ? html`<div class="wrong"><b>${error.code}</b>: ${error.message}${detailOf(error)}</div>` : nothing}
    <dl class="tiles">
      ${tile(finished ? "Took" : "Under way for", seconds(took), html`since <time datetime=${created}>${clock(created, now)}</time> UTC`)}
      ${tile("On the GPU", seconds(sums.running), wasted ? html`<b class="bad">${seconds(wasted)} in vain</b>` : `${percent(sums.running / Math.max(took, 0.001))} of the time`)}
      ${tile("For a worker", seconds(sums.queued), `${seconds(sums.waiting + sums.between)} for us`)}
      ${tile("Asked for", `${report.asked.quality} ${report.asked.resolution}`, `${wordsOf(report.asked)}; seed ${report.asked.seed}; camera ${report.asked.camera}`)}
      ${tile("Key", report.owner, credits(report))}
      ${tile("Webhook", report.delivery?.state ?? (report.asked.webhook && !finished ? "at the end" : "none"), deliveryOf(report))}
    </dl>
    <section aria-labelledby="timeline">
      <h2 id="timeline">Timeline</h2>
      <div class="panel">${timeline(report)}</div>
    </section>
    <section aria-labelledby="runs">
      <h2 id="runs">Stage runs</h2>
      ${report.runs.map((run) => runView(run, now))}
    </section>
    ${eventsOf(report)}`;
}

const tile = (name, figure, rest) => html`
  <div class="tile panel">
    <dt>${name}</dt>
    <dd class="figure">${figure}</dd>
    <dd class="hint">${rest}</dd>
  </div>`;

const credits = ({ credits: all, credits_refund: back }) => `${all} credits${back ? `, ${back} came back` : ""}`;

function deliveryOf({ delivery, asked }) {
  if (!delivery) return asked.webhook ? "to be sent" : "not asked for";
  return `${delivery.tries} ${delivery.tries === 1 ? "try" : "tries"}${delivery.last_answer ? `: ${delivery.last_answer}` : ""}`;
}

const detailOf = ({ detail }) => (detail ? html`<pre>${JSON.stringify(detail, null, 2)}</pre>` : nothing);

function runView(run, now) {
  const { stage, attempt, state, error, artifacts, timings } = run;
  const facts = [
    ["RunPod id", run.runpod_id],
    ["Endpoint", run.endpoint],
    ["Attempt id", run.attempt_id],
    ["Stage key", run.stage_key],
    ["Planned", run.planned_seconds && `${seconds(run.planned_seconds)} on the GPU`],
    ["Progress", run.finished_at ? null : percent(run.progress)],
    ["Made", clock(run.created_at, now)],
    ["Handed over", run.submitted_at && clock(run.submitted_at, now)],
    ["Begun", run.started_at && clock(run.started_at, now)],
    ["Ended", run.finished_at && clock(run.finished_at, now)],
    ["Given up at", run.deadline_at && clock(run.deadline_at, now)],
    ["Worker's seconds", Object.entries(timings).map(([phase, count]) => `${phase} ${seconds(count)}`).join(", ")],
  ];
  const live = !run.finished_at;
  return html`
    <details class="run panel" ?open=${Boolean(error) || live}>
      <summary>
        ${STAGES[stage]}, attempt ${attempt} <span class="chip ${state}">${run.reused ? "found done" : state}</span>
        ${run.repair ? html`<span class="chip">repair</span>` : nothing} ${error ? html`<code class="bad">${error.code}</code>` : nothing}
      </summary>
      ${error ? html`<div class="wrong">${error.message}${detailOf(error)}</div>` : nothing}
      <dl class="facts">${facts.map(([name, value]) => (value ? html`<dt>${name}</dt><dd><span class="value">${value}</span></dd>` : nothing))}</dl>
      ${artifacts.length
        ? html`<table>
            <thead><tr><th scope="col">Artifact</th><th scope="col">sha256</th><th scope="col" class="number">Size</th><th scope="col">Key</th></tr></thead>
            <tbody>
              ${artifacts.map(
                (each) => html`<tr>
                  <th scope="row">${each.role}</th>
                  <td><code title=${each.sha256}>${each.sha256.slice(0, 12)}…</code></td>
                  <td class="number">${bytes(each.bytes)}</td>
                  <td class="said"><code>${each.key}</code></td>
                </tr>`,
              )}
            </tbody>
          </table>`
        : nothing}
    </details>`;
}

const eventsOf = ({ events, created_at: created, at: now }) => html`
  <section aria-labelledby="events">
    <h2 id="events">Events</h2>
    <table class="panel">
      <thead>
        <tr><th scope="col">Time (UTC)</th><th scope="col" class="number">After</th><th scope="col">Event</th><th scope="col">Of</th><th scope="col">Besides</th></tr>
      </thead>
      <tbody>
        ${events.map(
          (each) => html`<tr>
            <td><time datetime=${each.at}>${clock(each.at, now)}</time></td>
            <td class="number" data-label="After">${seconds(between(created, each.at))}</td>
            <th scope="row">${each.type}</th>
            <td>${each.stage ? `${STAGES[each.stage]}, attempt ${each.attempt}` : NOTHING}</td>
            <td>${each.code ? html`<code class="bad">${each.code}</code>` : nothing}${each.wait ? ` in ${seconds(each.wait)}` : nothing}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  </section>`;

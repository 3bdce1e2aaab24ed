/** What needs somebody, and how the three stages fare. */

import { html, nothing } from "../studio/vendor/lit-3.3.3.js";
import { link } from "./place.js";
import { NOTHING, STAGES, clock, percent, seconds } from "./words.js";

export const overviewView = (overview, at) => html`
  ${concernsOf(overview)}
  <section aria-labelledby="now">
    <h2 id="now">Generations</h2>
    ${tiles(overview)}
  </section>
  <section aria-labelledby="stages">
    <h2 id="stages">Stages</h2>
    <div class="stages">${overview.stages.map(stageCard)}</div>
  </section>
  ${codesOf(overview, at)}`;

function concernsOf({ concerns }) {
  if (!concerns.length) return html`<p class="well panel" role="status">Nothing needs you.</p>`;
  return html`
    <section class="concerns panel" aria-labelledby="concerns">
      <h2 id="concerns">${concerns.length === 1 ? "One thing needs" : `${concerns.length} things need`} you</h2>
      <ul>
        ${concerns.map(
          ({ alert, stage, said }) => html`<li>
            <b>${stage ? STAGES[stage] : "All stages"}</b>: ${said}
            <span class="hint">docs/operations.md, “Alert ${alert}”</span>
          </li>`,
        )}
      </ul>
    </section>`;
}

function tiles({ live, flows, seconds: spread, look_late_seconds: look, tasks_late_seconds: tasks, dead_webhooks: dead }) {
  const late = Math.max(look, ...Object.values(tasks));
  return html`
    <dl class="tiles">
      ${tile("In flight", live.queued + live.running, `${live.queued} queued, ${live.running} running`)}
      ${flows.map((flow) => {
        const ended = flow.succeeded + flow.failed;
        const share = ended ? `${percent(flow.succeeded / ended)} of ${ended} succeeded` : "none ended";
        return tile(`Last ${flow.minutes} min`, `+${flow.accepted}`, html`${share}${flow.failed ? html`, <b class="bad">${flow.failed} failed</b>` : nothing}${flow.canceled ? `, ${flow.canceled} canceled` : nothing}`);
      })}
      ${tile("Request to video", seconds(spread?.p50), spread ? `95 % within ${seconds(spread.p95)}, last hour` : "none in the last hour")}
      ${tile("Our own work", late < 1 ? "on time" : `${seconds(late)} late`, dead ? html`<b class="bad">${dead} webhooks given up</b>, last day` : "no webhook given up, last day")}
    </dl>`;
}

const tile = (name, figure, rest) => html`
  <div class="tile panel">
    <dt>${name}</dt>
    <dd class="figure">${figure}</dd>
    <dd class="hint">${rest}</dd>
  </div>`;

function stageCard({ stage, pending, submitted, running, hour, busy_workers: busy, endpoints }) {
  const ended = hour.succeeded + hour.failed + hour.canceled;
  return html`
    <article class="stage panel" aria-labelledby="stage-${stage}">
      <h3 id="stage-${stage}">${STAGES[stage]} <code>${stage}</code></h3>
      <dl class="queue">
        ${depth("To hand over", pending, LATE.pending)} ${depth("In the queue", submitted, LATE.submitted)} ${depth("Running", running)}
      </dl>
      <dl class="facts">
        <dt>Workers</dt>
        <dd>${endpoints.map(workersOf)}</dd>
        <dt>Kept busy</dt>
        <dd>${busy} <span class="hint">on average, last hour</span></dd>
        <dt>For a worker</dt>
        <dd>${spreadOf(hour.queue_seconds)}</dd>
        <dt>A run took</dt>
        <dd>${spreadOf(hour.run_seconds)}</dd>
        <dt>Ended, last hour</dt>
        <dd>${ended ? endedOf(hour) : NOTHING}</dd>
        <dt>GPU time, last hour</dt>
        <dd>
          ${seconds(hour.gpu_seconds)}
          ${hour.wasted_gpu_seconds > hour.gpu_seconds / 200 ? html`<span class="bad">${percent(hour.wasted_gpu_seconds / hour.gpu_seconds)} in vain</span>` : nothing}
        </dd>
      </dl>
    </article>`;
}

const LATE = { pending: 300, submitted: 900 }; // seconds, as the alerts have it

const depth = (name, { count, oldest_seconds: oldest }, late = Infinity) => html`
  <div>
    <dt>${name}</dt>
    <dd class="figure">${count}</dd>
    <dd class=${oldest > late ? "bad" : "hint"}>${count ? `for ${seconds(oldest)}` : html`&nbsp;`}</dd>
  </div>`;

const STATES = ["running", "idle", "initializing", "throttled", "unhealthy"];

function workersOf(seen) {
  const where = seen.large ? html`<span class="hint">large: </span>` : nothing;
  if (seen.problem) return html`<div>${where}<span class="bad">unknown</span> <span class="hint">${seen.problem}</span></div>`;
  const told = STATES.filter((state) => seen[state] || ((state === "running" || state === "idle") && seen[state] === 0));
  const words = told.map((state) => (state === "unhealthy" ? html`<b class="bad">${seen[state]} ${state}</b>` : html`${seen[state]} ${state}`));
  return html`<div>${where}${words.length ? words.map((word, index) => html`${index ? ", " : nothing}${word}`) : "unknown"}</div>`;
}

const spreadOf = (spread) =>
  spread ? html`${seconds(spread.p50)}<span class="hint">, 95 % within</span> ${seconds(spread.p95)}` : NOTHING;

const endedOf = ({ succeeded, failed, canceled, reused, retries }) => html`
  ${succeeded} well${failed ? html`, <b class="bad">${failed} failed</b>` : nothing}${canceled ? `, ${canceled} canceled` : nothing}
  ${reused || retries ? html`<span class="hint">${[reused && `${reused} found done`, retries && `${retries} tried again`].filter(Boolean).join(", ")}</span>` : nothing}`;

function codesOf({ failures, at: now }, at) {
  return html`
    <section aria-labelledby="codes">
      <h2 id="codes">Failed stage runs by code</h2>
      ${failures.length
        ? html`<table class="panel">
            <thead>
              <tr><th scope="col">Code</th><th scope="col">Stage</th><th scope="col" class="number">Last hour</th><th scope="col" class="number">Last day</th><th scope="col">Newest</th></tr>
            </thead>
            <tbody>
              ${failures.map(
                ({ stage, code, hour, day, last_at: last }) => html`<tr>
                  <th scope="row"><a href=${link({ list: at.list, code, stage })}><code>${code}</code></a></th>
                  <td>${STAGES[stage]}</td>
                  <td class="number" data-label="Last hour">${hour ? html`<b>${hour}</b>` : 0}</td>
                  <td class="number" data-label="Last day">${day}</td>
                  <td data-label="Newest"><time datetime=${last}>${clock(last, now)}</time></td>
                </tr>`,
              )}
            </tbody>
          </table>`
        : html`<p class="hint">None in the last day.</p>`}
    </section>`;
}

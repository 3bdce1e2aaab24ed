/** Where a generation stands: its stages in a row, and how long it may still take. */

import { html, nothing } from "./vendor/lit-3.3.3.js";
import { STAGES, percent, seconds } from "./words.js";

const WAITING = ["stage.pending", "stage.submitted"];

/** What is to be shown of a stage: "done", "now" or "next", how far it is (0 to 1), and a word. Pure. */
export function standing(item, stage) {
  const runs = (item.stages ?? []).filter((run) => run.stage === stage);
  const { live } = item;
  const order = item.plan.map((step) => step.stage);
  const here = order.indexOf(live.stage);
  const mine = order.indexOf(stage);
  const finished = runs.some(({ state }) => state === "succeeded");
  const told = here === mine && live.type === "stage.succeeded";
  if (item.state === "succeeded" || finished || told || mine < here) {
    return { is: "done", fraction: 1, word: runs.some(({ reused }) => reused) ? "reused" : "done" };
  }
  if (here !== mine || item.state !== "running" && item.state !== "queued") {
    const last = runs.at(-1);
    if (here < 0 && last) return { is: "now", fraction: last.fraction, word: last.state === "running" ? `${percent(last.fraction)} %` : "waiting for a machine" };
    return { is: "next", fraction: 0, word: "" };
  }
  const fraction = live.stage_fraction ?? 0;
  const again = live.attempt > 1 ? `, attempt ${live.attempt}` : "";
  if (WAITING.includes(live.type)) return { is: "now", fraction: 0, word: `waiting for a machine${again}` };
  const steps = live.step && live.steps ? `, step ${live.step} of ${live.steps}` : "";
  return { is: "now", fraction, word: `${percent(fraction)} %${steps}${again}` };
}

/** Seconds that are left by the last telling, or by the plan where nothing was told yet. Pure. */
export function left(item, now = Date.now()) {
  const { remaining_seconds: told, remaining_at: at } = item.live;
  const since = WAITING.includes(item.live.type) ? 0 : (now - at) / 1000; // nothing is done while it waits
  if (told !== undefined) return Math.max(0, told - since);
  return item.plan.reduce((sum, step) => sum + step.estimated_seconds, 0) * (1 - (item.fraction ?? 0));
}

export function stepper(item) {
  const rest = left(item);
  const done = percent(item.fraction ?? 0);
  const waits = item.state === "queued" || WAITING.includes(item.live.type);
  const over = done < 95 ? "taking longer than estimated" : "any moment now";
  const told = rest < 1 ? over : `about ${seconds(rest)} left${waits ? ", once a machine is free" : ""}`;
  return html`
    <ol class="stepper" aria-label="Stages">
      ${item.plan.map(({ stage }) => {
        const { is, fraction, word } = standing(item, stage);
        return html`
          <li class=${is} aria-current=${is === "now" ? "step" : nothing}>
            <span class="name">${STAGES[stage] ?? stage}</span>
            <progress max="1" .value=${fraction} aria-label="${STAGES[stage] ?? stage}"></progress>
            <span class="word">${word}</span>
          </li>`;
      })}
    </ol>
    <p class="overall"><b>${done} %</b> <span>${told}</span></p>`;
}

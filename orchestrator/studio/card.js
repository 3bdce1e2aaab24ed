/** One generation as a card: while it runs, when it is done, and when it failed. */

import { html, live, nothing } from "./vendor/lit-3.3.3.js";
import { option } from "./offer.js";
import { ended } from "./shelf.js";
import { stepper } from "./stepper.js";
import { weight } from "./upload.js";
import { advice, ago, credits, sentence } from "./words.js";

const NAMES = { queued: "Queued", running: "Running", succeeded: "Done", failed: "Failed", canceled: "Canceled" };

/** `act` are the element's actions; `copied` is what was copied last, or could not be. */
export function generationCard(item, { card, act, busy, copied }) {
  const title = item.request?.prompt ?? "A video made elsewhere";
  return html`
    <article class="card ${item.state}" aria-labelledby="title-${item.id}" data-id=${item.id}>
      <header>
        <h3 id="title-${item.id}" title=${title}>${title}</h3>
        <span class="state">${NAMES[item.state]}</span>
      </header>
      <p class="facts">${choices(card, item).join(" · ")} · <time datetime=${item.created_at}>${ago(item.created_at)}</time></p>
      ${body(item, act, busy)} ${item.state === "succeeded" ? result(item) : nothing} ${actions(item, act, busy)}
      ${copied?.id === item.id ? note(copied) : nothing}
    </article>`;
}

/** What was asked for, in the card's words; what was made, where the request is not known here. */
function choices(card, { request, delivers }) {
  if (!request) return [`${delivers.width} × ${delivers.height}`, `${delivers.seconds} s`, `${delivers.fps} fps`];
  const name = (field, value) => option(card, field)?.choices.find((each) => each.value === value)?.label ?? value;
  const chosen = ["quality", "resolution", "duration", "camera"].filter((field) => request[field] !== undefined);
  return [
    request.upload_id || request.image_urls?.length ? "From an image" : "From text",
    ...chosen.map((field) => name(field, request[field])),
    ...(request.control ? [`${name("control.type", request.control.type)} control`] : []),
    ...(request.temporal_upscale ? ["48 fps"] : []),
    ...(request.detailer ? ["Detailer"] : []),
  ];
}

function body(item, act, busy) {
  if (!item.plan) return html`<div class="stage empty">${item.gone ? "It is no longer there." : "Loading …"}</div>`;
  if (item.state === "succeeded")
    return html`<video class="stage" controls loop playsinline preload="metadata" poster=${item.result?.poster_url ?? nothing}
      src=${item.result?.video_url ?? nothing} aria-label="The video" @error=${({ target }) => act.renew(item, target)}></video>`;
  if (item.state === "failed") return failure(item);
  if (item.state === "canceled") return html`<p class="note">${back(item) || "It was canceled."}</p>`;
  return html`
    ${looked(item)} ${stepper(item)}
    <div class="actions">
      <button type="button" ?disabled=${busy.has(item.id)} @click=${() => act.cancel(item)}>
        ${busy.has(item.id) ? "Canceling …" : "Cancel"}
      </button>
    </div>`;
}

/** The quick clip of the base stage, while the upscaling runs. */
function looked({ early_look: look }) {
  if (!look?.url) return html`<div class="stage waiting" aria-hidden="true"><i></i><i></i><i></i></div>`;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  return html`<figure class="look">
    <video class="stage" controls .muted=${live(true)} ?autoplay=${!still} loop playsinline src=${look.url} aria-label="Early look"></video>
    <figcaption>Early look, before the upscaling</figcaption>
  </figure>`;
}

function failure(item) {
  const { code, message } = item.error ?? {};
  return html`
    <div class="note wrong">
      <p><b>${sentence(message)}</b></p>
      <p>${advice(item.error ?? {})}</p>
      <p>${back(item)}</p>
      <p class="hint">${code}, number ${item.id}</p>
    </div>`;
}

function back({ credits_refund: refund, credits: asked }) {
  if (refund) return `${refund === asked ? `All ${credits(refund)}` : credits(refund)} came back.`;
  return asked === 0 ? "It cost nothing." : "";
}

function result({ result: made, seed }) {
  if (!made?.video_url) return nothing;
  const facts = [`${made.width} × ${made.height}`, `${made.fps} fps`, `${made.seconds} s`, weight(made.bytes), `seed ${seed}`];
  return html`<p class="made">${facts.join(" · ")}</p>`;
}

function actions(item, act, busy) {
  if (!ended(item)) return nothing;
  const button = (text, click) => html`<button type="button" ?disabled=${busy.has(item.id)} @click=${click}>${text}</button>`;
  const done = item.state === "succeeded";
  if (!item.request && !item.result?.download_url) return nothing;
  return html`
    <div class="actions">
      ${done && item.result?.download_url ? html`<a class="button" href=${item.result.download_url} download>Download</a>` : nothing}
      ${item.request
        ? html`${done ? button("Again with another seed", () => act.again(item)) : button("Try again", () => act.retry(item))}
            ${done && !item.request.temporal_upscale ? button("Same video, smoother (48 fps)", () => act.smoother(item)) : nothing}
            <button type="button" class="quiet" @click=${() => act.reuse(item)}>Into the form</button>
            <button type="button" class="quiet" @click=${() => act.copy(item, "curl")}>Copy as curl</button>
            <button type="button" class="quiet" @click=${() => act.copy(item, "JSON")}>Copy as JSON</button>`
        : nothing}
    </div>`;
}

function note({ what, text, problem }) {
  if (!problem) return html`<p class="hint" role="status">Copied as ${what}.</p>`;
  return html`
    ${text ? html`<textarea class="copy" readonly rows="6" aria-label="The request as ${what}" .value=${text}></textarea>` : nothing}
    <p class="hint" role="status">${problem}</p>`;
}

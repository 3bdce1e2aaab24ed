/** The form: what the user may ask for, and what it will take. */

import { html, nothing } from "./vendor/lit-3.3.3.js";
import { cameras } from "./camera.js";
import { number, row, slider, toggle } from "./fields.js";
import { imageField, videoField } from "./inputs.js";
import { option, refusal } from "./offer.js";
import { credits, seconds } from "./words.js";

/** `view` is the element's state and its actions. */
export function formOf(view) {
  const { card, form, price, blocked, sending, submit, problem } = view;
  return html`
    <form class="form" aria-label="New video" @submit=${submit} @keydown=${(event) => quick(event, submit)}>
      ${models(view)} ${prompt(view)} ${imageField(view)}
      <div class="pair">${row(view, "quality")} ${row(view, "resolution")}</div>
      ${row(view, "duration", { hide: (value) => refusal(card, form, "duration", value) !== null })}
      ${cameras(view)}
      <div class="toggles" role="group" aria-label="Upscaling and detail">
        ${["spatial_upscale", "temporal_upscale", "detailer"].map((field) => toggle(view, field, price.effects?.[field] ?? null))}
      </div>
      ${advanced(view)}
      <div class="send">
        <p class="price" aria-live="polite" aria-atomic="true" aria-busy=${price.asking ? "true" : "false"}>${costs(price)}</p>
        ${problem ? html`<p class="wrong" role="alert">${problem}</p>` : nothing}
        <button class="primary" aria-describedby=${blocked ? "blocked" : nothing} aria-disabled=${blocked || sending ? "true" : "false"}>
          ${sending ? "Starting …" : "Generate"}
        </button>
        <p class="hint" id="blocked">${blocked ?? nothing}</p>
      </div>
    </form>`;
}

function quick(event, submit) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
}

function models({ card, others }) {
  const at = others.findIndex((name) => name.toLowerCase().replace(/[^a-z0-9.]+/g, "-") === card.after);
  const names = [...others.slice(0, at + 1), card.name, ...others.slice(at + 1)];
  return html`
    <div class="field">
      <label for="model">Model</label>
      <select id="model" aria-describedby="model-hint">
        ${names.map((name) =>
          name === card.name
            ? html`<option value=${card.id} selected>${name}</option>`
            : html`<option disabled>${name} (not available here)</option>`,
        )}
      </select>
      <p class="hint" id="model-hint">${card.description}</p>
    </div>`;
}

function prompt({ card, form, change }) {
  const length = [...form.prompt.trim()].length;
  const most = card.limits.prompt_characters;
  const shown = new Intl.NumberFormat("en");
  return html`
    <div class="field">
      <label for="prompt">${option(card, "prompt").label}</label>
      <textarea id="prompt" rows="5" .value=${form.prompt} aria-describedby="prompt-count" aria-invalid=${length > most ? "true" : "false"}
        placeholder="What is seen, how it moves, what is heard. A lighthouse on a cliff at dusk; waves break over the rocks, gulls call …"
        @input=${({ target }) => change({ prompt: target.value })}></textarea>
      <p class="hint count ${length > most ? "over" : ""}" id="prompt-count">${shown.format(length)} of ${shown.format(most)} characters</p>
    </div>`;
}

function advanced(view) {
  const { card, form, change, image, video } = view;
  const controlled = Boolean(form["control.type"]);
  const itself = form["control.source"] === "image";
  const noImage = refusal(card, form, "control.source", "image");
  return html`
    <details class="advanced">
      <summary>Advanced</summary>
      ${row(view, "control.type", { off: "None" })}
      ${controlled
        ? html`
            <fieldset class="field">
              <legend>Reference</legend>
              <div class="row">
                <label class="choice">
                  <input type="radio" name="reference" .checked=${!itself} @change=${() => change({ "control.source": null })} />
                  <span>A video</span>
                </label>
                <label class="choice" title=${noImage ?? nothing}>
                  <input type="radio" name="reference" .checked=${itself} ?disabled=${Boolean(noImage)}
                    @change=${() => change({ "control.source": "image" })} />
                  <span>The image itself</span>
                </label>
              </div>
              ${noImage ? html`<p class="hint">The image itself: ${image?.busy ? "it is still being sent" : noImage}.</p>` : nothing}
              ${itself ? nothing : videoField({ ...view, video })}
            </fieldset>
            ${toggle(view, "control.preprocessed")} ${slider(view, "control.strength")}
          `
        : nothing}
      ${number(view, "seed", { empty: "drawn for you" })} ${number(view, "steps", { empty: "as the recipe says" })}
      ${row(view, "precision")} ${toggle(view, "early_look")}
    </details>`;
}

function costs({ credits: asked, estimated_seconds: takes, problem }) {
  if (problem) return html`<span class="hint">${problem}</span>`;
  if (asked === undefined) return html`<span class="hint">Asking for the price …</span>`;
  return html`<b>${credits(asked)}</b> <span class="hint">about ${seconds(takes)} on a free machine</span>`;
}

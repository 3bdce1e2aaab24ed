/** The plain parts of the form: a row of choices, a toggle, a number. Each reads its words from the model card. */

import { html, live, nothing } from "./vendor/lit-3.3.3.js";
import { option, refusal } from "./offer.js";
import { seconds } from "./words.js";

/** A row of radio buttons. A choice that is impossible now is disabled and says why. `off` adds one for "left out". */
export function row({ card, form, change }, field, { off = null, hide = () => false } = {}) {
  const { choices, label, help } = option(card, field);
  const id = field.replace(".", "-");
  const all = (off ? [{ value: null, label: off }, ...choices] : choices).filter(({ value }) => !hide(value));
  const reasons = all.map(({ value }) => refusal(card, form, field, value));
  const reason = reasons.find(Boolean);
  const hint = reason ? `${reason[0].toUpperCase()}${reason.slice(1)}.` : help;
  return html`
    <fieldset class="field" aria-describedby=${hint ? `${id}-hint` : nothing}>
      <legend>${label}</legend>
      <div class="row">
        ${all.map(
          ({ value, label: name }, index) => html`
            <label class="choice" title=${reasons[index] ?? nothing}>
              <input type="radio" name=${id} value=${value ?? ""} .checked=${live(form[field] === value)}
                ?disabled=${Boolean(reasons[index])} @change=${() => change({ [field]: value })} />
              <span>${name}</span>
            </label>`,
        )}
      </div>
      ${hint ? html`<p class="hint" id="${id}-hint">${hint}</p>` : nothing}
    </fieldset>`;
}

/** A switch with its honest line; `effect` is what turning it over would do to the time, in seconds. */
export function toggle({ card, form, change }, field, effect = null) {
  const { label, help } = option(card, field);
  const id = field.replace(".", "-");
  const on = Boolean(form[field]);
  return html`
    <div class="toggle">
      <input type="checkbox" role="switch" id=${id} .checked=${live(on)} aria-describedby="${id}-hint"
        @change=${(event) => change({ [field]: event.target.checked })} />
      <label for=${id}>${label}</label>
      <p class="hint" id="${id}-hint">${help}${effect === null ? nothing : html` <span class="effect">${effectOf(on, effect)}</span>`}</p>
    </div>`;
}

function effectOf(on, effect) {
  if (Math.abs(effect) < 1) return `Turning it ${on ? "off" : "on"} takes as long here.`;
  return `Turning it ${on ? "off" : "on"} ${effect > 0 ? "adds" : "saves"} about ${seconds(Math.abs(effect))} here.`;
}

/** A whole number that may be left out; `empty` is said where it is. */
export function number({ card, form, change }, field, { empty, extra = nothing }) {
  const { label, help, minimum, maximum } = option(card, field);
  const reason = refusal(card, form, field, minimum);
  const hint = reason ? `${reason[0].toUpperCase()}${reason.slice(1)}.` : help;
  return html`
    <div class="field">
      <label for=${field}>${label}</label>
      <div class="with">
        <input type="number" inputmode="numeric" id=${field} min=${minimum} max=${maximum} step="1" placeholder=${empty}
          .value=${live(form[field] === null ? "" : String(form[field]))} ?disabled=${Boolean(reason)}
          aria-describedby="${field}-hint"
          @input=${({ target }) => change({ [field]: target.value === "" ? null : Math.round(target.valueAsNumber) })} />
        ${extra}
      </div>
      <p class="hint" id="${field}-hint">${hint}</p>
    </div>`;
}

/** A slider for a share between two bounds. */
export function slider({ card, form, change }, field) {
  const { label, minimum, maximum } = option(card, field);
  const id = field.replace(".", "-");
  return html`
    <div class="field">
      <label for=${id}>${label} <output for=${id}>${Number(form[field]).toFixed(2)}</output></label>
      <input type="range" id=${id} min=${minimum} max=${maximum} step="0.05" .value=${live(String(form[field]))}
        @input=${({ target }) => change({ [field]: target.valueAsNumber })} />
    </div>`;
}

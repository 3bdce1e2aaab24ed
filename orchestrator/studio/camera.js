/** The camera moves as small pictures: a frame over a landscape that moves as the view would. */

import { html, nothing, svg } from "./vendor/lit-3.3.3.js";
import { option, refusal } from "./offer.js";

/** A hill, a house and the sun, larger than the frame so that no edge comes into view. */
const scene = svg`
  <g class="scene">
    <rect class="sky" x="-32" y="-32" width="128" height="100"></rect>
    <circle class="sun" cx="44" cy="11" r="5"></circle>
    <path class="far" d="M-32 34 L-8 20 L10 30 L28 16 L48 30 L70 18 L96 34 V70 H-32 Z"></path>
    <path class="near" d="M-32 36 Q0 28 32 34 T96 33 V70 H-32 Z"></path>
    <path class="house" d="M26 34 V27 L32 22 L38 27 V34 Z"></path>
  </g>`;

const drawn = (move) => html`
  <svg class="move ${move}" viewBox="0 0 64 36" aria-hidden="true" focusable="false">
    ${scene}
    ${move === "none" ? svg`<path class="path" d="M8 28 C18 4 30 34 40 14 S56 12 58 8"></path>` : nothing}
    ${move === "static" ? svg`<path class="corners" d="M5 11 V5 H13 M51 5 H59 V11 M59 25 V31 H51 M13 31 H5 V25"></path>` : nothing}
  </svg>`;

/** One tile for each move of the card; those that are impossible now say why. */
export function cameras({ card, form, change }) {
  const { choices, help, label } = option(card, "camera");
  const reasons = choices.map(({ value }) => refusal(card, form, "camera", value));
  const reason = reasons.find(Boolean);
  return html`
    <fieldset class="field" aria-describedby="camera-hint">
      <legend>${label}</legend>
      <div class="tiles">
        ${choices.map(
          ({ value, label: name }, index) => html`
            <label class="tile" title=${reasons[index] ?? nothing}>
              <input type="radio" name="camera" value=${value} .checked=${form.camera === value}
                ?disabled=${Boolean(reasons[index])} @change=${() => change({ camera: value })} />
              ${drawn(value)}<span>${name}</span>
            </label>`,
        )}
      </div>
      <p class="hint" id="camera-hint">${reason ? `Only Static and Free: ${reason}.` : help}</p>
    </fieldset>`;
}

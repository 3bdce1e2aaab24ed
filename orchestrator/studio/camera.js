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

/** What tells the moves apart while nothing moves, as for those who want it so. */
const SIGNS = {
  static: "M5 11V5h8M51 5h8v6M59 25v6h-8M13 31H5v-6",
  dolly_in: "M6 5l7 5M13 6.5V10H8.5M58 31l-7-5M51 29.5V26h4.5",
  dolly_out: "M13 10L6 5M6 8.5V5h4.5M51 26l7 5M58 27.5V31h-4.5",
  dolly_left: "M15 8H6M9 5L6 8l3 3",
  dolly_right: "M6 8h9M12 5l3 3-3 3",
  jib_up: "M8 15V6M5 9l3-3 3 3",
  jib_down: "M8 6v9M5 12l3 3 3-3",
  none: "M8 28C18 4 30 34 40 14S56 12 58 8",
};

const drawn = (move) => html`
  <svg class="move ${move}" viewBox="0 0 64 36" aria-hidden="true" focusable="false">
    ${scene}${svg`<path class="sign" d=${SIGNS[move] ?? ""}></path>`}
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

/** Asks for the admin key. */

import { html, nothing } from "../studio/vendor/lit-3.3.3.js";

export function gate({ checking, problem, enter }) {
  return html`
    <form class="gate panel" @submit=${enter}>
      <h1>LTX-2 admin</h1>
      <label for="key">Admin key</label>
      <input id="key" name="key" type="password" autocomplete="off" spellcheck="false" required aria-describedby="key-hint" />
      <p class="hint" id="key-hint">
        One that <code>API_KEYS</code> names as <code>admin</code>; <code>make up</code> prints that of a local cloud. It is kept in
        this tab until you close it.
      </p>
      ${problem ? html`<p class="wrong" role="alert">${problem}</p>` : nothing}
      <button ?disabled=${checking}>${checking ? "Looking …" : "Open"}</button>
    </form>`;
}

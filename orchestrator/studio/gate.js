/** Asks for an API key where nobody else vouches for the user. */

import { html, nothing } from "./vendor/lit-3.3.3.js";

export function gate({ checking, problem, enter }) {
  return html`
    <form class="gate" @submit=${enter}>
      <h2>LTX-2 studio</h2>
      <div class="field">
        <label for="key">API key</label>
        <input id="key" name="key" type="password" autocomplete="off" spellcheck="false" required aria-describedby="key-hint" />
        <p class="hint" id="key-hint">
          It is kept in this tab until you close it, and sent to this server only. <code>make up</code> prints the key of a local cloud.
        </p>
      </div>
      ${problem ? html`<p class="wrong" role="alert">${problem}</p>` : nothing}
      <button class="primary" ?disabled=${checking}>${checking ? "Looking …" : "Open the studio"}</button>
    </form>`;
}

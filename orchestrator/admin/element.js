/** <ltx2-admin>: the operator's page. It reads `/api/admin` by an admin key, and changes nothing. */

import { LitElement, html, nothing } from "../studio/vendor/lit-3.3.3.js";
import { Api, Trouble } from "../studio/api.js";
import { gate } from "./gate.js";
import { generationView } from "./generation.js";
import { failureList, generationList } from "./lists.js";
import { overviewView } from "./overview.js";
import { forgetKey, keepKey, keptKey, link, place } from "./place.js";
import { Pulse } from "./pulse.js";
import { seconds } from "./words.js";

const STALE = 15_000; // milliseconds since the last answer
const ENDED = new Set(["succeeded", "failed", "canceled"]);
const ID = /^[0-9a-f]{32}$/;

export class LtxAdmin extends LitElement {
  constructor() {
    super();
    this.reset();
  }

  createRenderRoot() {
    return this; // the page's own style sheet reaches it
  }

  reset() {
    this.api = null;
    this.checking = false;
    this.problem = null; // of the key
    this.forgetAnswers();
  }

  forgetAnswers() {
    this.overview = this.list = this.failures = this.report = null;
    this.trouble = null; // of the last question
    this.readAt = null;
  }

  connectedCallback() {
    super.connectedCallback();
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    window.addEventListener("hashchange", () => this.moved(), { signal });
    this.clock = setInterval(() => this.requestUpdate(), 1000);
    const key = keptKey();
    if (key) this.open(key);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this.clock);
    this.leaving.abort();
    this.pulse?.close();
  }

  /** With a key; it is kept once it has been answered. */
  open(key) {
    this.api = new Api("", key);
    this.checking = true;
    this.problem = null;
    this.pulse?.close();
    this.pulse = new Pulse((signal) => this.read(signal), { failed: (trouble) => this.failed(trouble) });
    this.pulse.now();
    this.requestUpdate();
  }

  leave(problem = null) {
    forgetKey();
    this.pulse?.close();
    this.reset();
    this.problem = problem;
    this.requestUpdate();
  }

  async moved() {
    this.forgetAnswers();
    this.requestUpdate();
    this.pulse?.now();
    await this.updateComplete;
    this.querySelector("h1")?.focus();
    scrollTo(0, 0);
  }

  /** Everything that this place shows; true as long as it may change. */
  async read(signal) {
    const { generation, list, code, stage } = place();
    const ask = (path) => this.api.ask("GET", `/api/admin/${path}`, { signal });
    if (generation) {
      this.report = await ask(`generations/${encodeURIComponent(generation)}`);
    } else {
      const chosen = link({ code, stage }).slice(1);
      const lists = list === "live" ? "quiet?minutes=0" : `generations${list === "all" ? "" : `?state=${encodeURIComponent(list)}`}`;
      [this.overview, this.list, this.failures] = await Promise.all([
        ask("overview"),
        ask(lists),
        ask(`failures?limit=20${chosen && `&${chosen}`}`),
      ]);
    }
    this.readAt = Date.now();
    this.trouble = null;
    this.checking = false;
    keepKey(this.api.key);
    this.requestUpdate();
    return !(generation && this.settled);
  }

  /** Nothing of this generation changes any more: its webhook has been taken too, or given up. */
  get settled() {
    return ENDED.has(this.report?.state) && this.report.delivery?.state !== "pending";
  }

  /** False where asking again cannot help. */
  failed(trouble) {
    if (!(trouble instanceof Trouble)) throw trouble;
    if (trouble.status === 401 || trouble.status === 403) {
      this.leave(trouble.status === 401 ? "This key is not known here." : "This is no admin key.");
      return false;
    }
    this.trouble = trouble;
    this.checking = false;
    this.requestUpdate();
    return trouble.status === 0 || trouble.status === 429 || trouble.status >= 500;
  }

  render() {
    if (!this.api || (this.checking && !keptKey())) {
      return gate({ checking: this.checking, problem: this.problem, enter: (event) => this.entered(event) });
    }
    const at = place();
    return html`
      <header>
        <h1 tabindex="-1">LTX-2 admin</h1>
        ${this.freshness(at)}
        <form class="find" role="search" @submit=${(event) => this.sought(event)}>
          <label class="sr" for="id">Generation</label>
          <input id="id" name="id" placeholder="Generation id" spellcheck="false" autocomplete="off" />
          <button>Show</button>
        </form>
        <button type="button" class="quiet" @click=${() => this.leave()}>Forget key</button>
      </header>
      ${this.trouble ? html`<p class="wrong" role="alert">${this.saidOf(this.trouble)}</p>` : nothing}
      ${at.generation ? this.one(at) : this.all(at)}`;
  }

  /** How old what is shown is. */
  freshness({ generation }) {
    if (!this.readAt) return html`<p class="fresh">${this.trouble ? "Nothing to show" : "Reading …"}</p>`;
    if (generation && this.settled) return html`<p class="fresh">Nothing changes any more</p>`;
    const age = Date.now() - this.readAt;
    const stale = age > STALE;
    const whole = Math.floor(age / 1000);
    return html`<p class="fresh ${stale ? "stale" : "live"}">
      <span role="status">${stale ? "Stale" : "Live"}</span>: read ${whole < 10 ? `${whole} s` : seconds(whole)} ago
    </p>`;
  }

  one({ generation }) {
    const back = html`<p><a href=${link({})}>← Overview</a></p>`;
    if (this.report) return html`${back}${generationView(this.report)}`;
    return html`${back}<p class="hint">${this.trouble ? generation : "Reading …"}</p>`;
  }

  all(at) {
    if (!this.overview) return html`<p class="hint">Reading …</p>`;
    const now = this.overview.at;
    return html`${overviewView(this.overview, at)}${generationList(this.list, at, now)}${failureList(this.failures, at, now)}`;
  }

  saidOf(trouble) {
    if (trouble.status === 0) return "The server does not answer. What stands here is old; the page asks again by itself.";
    return `${trouble.code}: ${trouble.message}`;
  }

  entered(event) {
    event.preventDefault();
    const key = new FormData(event.target).get("key").trim();
    if (key) this.open(key);
  }

  sought(event) {
    event.preventDefault();
    const id = new FormData(event.target).get("id").trim().toLowerCase();
    if (ID.test(id)) location.hash = link({ generation: id });
    else event.target.elements.id.setCustomValidity("32 characters, 0 to 9 and a to f");
    event.target.elements.id.reportValidity();
    event.target.elements.id.setCustomValidity("");
  }
}

customElements.define("ltx2-admin", LtxAdmin);

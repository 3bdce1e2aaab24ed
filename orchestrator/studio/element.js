/**
 * <ltx2-studio>: the whole studio as one custom element.
 *
 * Attributes: `base-url`, a backend that stands in front of the orchestrator and knows its user by a cookie; without
 * it the element talks to its own server and asks for a key. `theme`, "light" or "dark"; without it the system's.
 * `models`, the other models of the selector in their order, separated by commas.
 */

import { LitElement, html, nothing, repeat } from "./vendor/lit-3.3.3.js";
import { actionsOf } from "./actions.js";
import { Api, Trouble } from "./api.js";
import { generationCard } from "./card.js";
import { formOf } from "./form.js";
import { gate } from "./gate.js";
import { Pick, fileIn } from "./inputs.js";
import { forget, keepForm, keepKey, keptForm, keptKey } from "./memory.js";
import { changed, defaults, missing, option, request } from "./offer.js";
import { Price } from "./price.js";
import { Shelf, ended } from "./shelf.js";
import { cameraStyles } from "./style/camera.js";
import { cardStyles } from "./style/cards.js";
import { formStyles } from "./style/form.js";
import { theme } from "./style/theme.js";
import { advice, sentence } from "./words.js";

const UNKEPT = ["upload_id", "control.upload_id", "control.source"]; // files do not survive a reload

export class LtxStudio extends LitElement {
  static styles = [theme, formStyles, cameraStyles, cardStyles];
  static properties = {
    baseUrl: { attribute: "base-url" },
    theme: { reflect: true },
    models: {},
    state: { state: true },
  };

  constructor() {
    super();
    this.models = "Seedance 1.5 Pro";
    this.reset();
  }

  reset() {
    this.card = null;
    this.form = null;
    this.price = {};
    this.picks = {}; // field -> Pick
    this.busy = new Set(); // generations that something is being done with
    this.copied = null;
    this.problem = null;
    this.sending = false;
    this.checking = false;
    this.news = "";
    this.answered = true;
  }

  connectedCallback() {
    super.connectedCallback();
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    for (const type of ["online", "offline"]) window.addEventListener(type, () => this.requestUpdate(), { signal });
    document.addEventListener("paste", (event) => this.pasted(event), { signal });
    this.clock = setInterval(() => this.shelf?.items.some((each) => !ended(each)) && this.requestUpdate(), 1000);
    const key = this.baseUrl ? null : keptKey();
    if (this.baseUrl || key) this.open(key);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    clearInterval(this.clock);
    this.leaving.abort();
    this.shelf?.close();
    this.quotes?.close();
  }

  /** Fetch the model card, then the history. */
  async open(key) {
    this.checking = true;
    this.problem = null;
    this.api = new Api(this.baseUrl ?? "", key, { reached: (answered) => this.reach(answered) });
    this.requestUpdate();
    try {
      const { models } = await this.api.insist("GET", "/api/models", { signal: this.leaving.signal });
      this.card = models[0];
      if (key) keepKey(key);
      this.form = changed(this.card, defaults(this.card), { prompt: "", ...keptForm() }).form;
      this.quotes = new Price(this.api, (price) => this.set({ price }));
      this.quotes.ask(this.card, this.form);
      this.shelf = new Shelf(this.api, {
        changed: () => this.requestUpdate(),
        said: (news) => this.set({ news }),
        failed: (trouble) => this.set({ problem: saidOf(trouble) }),
      });
      this.act = actionsOf(this);
      this.shelf.load();
    } catch (trouble) {
      if (!(trouble instanceof Trouble)) throw trouble;
      if (trouble.status === 401) forget();
      this.problem = trouble.status === 401 ? "This key is not known here." : saidOf(trouble);
    }
    this.set({ checking: false });
  }

  /** Close everything, and leave nothing of the user in this browser. */
  leave() {
    forget();
    this.shelf?.close();
    this.quotes?.close();
    for (const pick of Object.values(this.picks)) pick?.drop();
    this.shelf = null;
    this.reset();
    this.requestUpdate();
  }

  set(values) {
    Object.assign(this, values);
    this.requestUpdate();
  }

  /** Told after each request whether anybody answered. */
  reach(answered) {
    if (answered === this.answered) return;
    this.set({ answered });
    if (answered && this.card) this.quotes.ask(this.card, this.form);
  }

  get connection() {
    const rest = "What is under way goes on; this page catches up by itself.";
    if (!navigator.onLine) return html`<p class="offline" role="alert">You are offline. ${rest}</p>`;
    return this.answered ? nothing : html`<p class="offline" role="alert">The server does not answer. ${rest}</p>`;
  }

  change = (changes) => {
    const { form, notes } = changed(this.card, this.form, changes);
    this.form = form;
    this.problem = null;
    if (notes.length) this.news = notes.join(" ");
    keepForm(Object.fromEntries(Object.entries(form).filter(([field]) => !UNKEPT.includes(field))));
    this.quotes.ask(this.card, form);
    this.requestUpdate();
  };

  pick = (field, file) => {
    this.unpick(field);
    this.picks[field] = new Pick(this.api, file, {
      field,
      card: this.card,
      changed: () => {
        const { upload_id: id } = this.picks[field] ?? {};
        if (id && this.form[field] !== id) this.change({ [field]: id });
        this.requestUpdate();
      },
    });
    this.requestUpdate();
  };

  unpick = (field) => {
    this.picks[field]?.drop();
    this.picks[field] = null;
    this.change({ [field]: null });
  };

  pasted(event) {
    const file = this.form && fileIn(event.clipboardData, "image");
    if (!file) return;
    event.preventDefault();
    this.pick("upload_id", file);
  }

  dropped(event) {
    if (!carriesFile(event)) return; // words are dropped into the prompt as ever
    event.preventDefault();
    const image = fileIn(event.dataTransfer, "image");
    const video = fileIn(event.dataTransfer, "video");
    if (image) this.pick("upload_id", image);
    else if (video && this.form["control.type"]) this.pick("control.upload_id", video);
  }

  get blocked() {
    if (Object.values(this.picks).some((pick) => pick?.busy)) return "A file is still being sent.";
    return missing(this.card, this.form);
  }

  submit = async (event) => {
    event.preventDefault();
    if (this.blocked || this.sending) return;
    this.set({ sending: true, problem: null });
    await this.start(request(this.card, this.form));
    this.set({ sending: false });
  };

  /** Create a generation; what goes wrong is said in the form. */
  async start(body) {
    try {
      const { id } = await this.shelf.create(body);
      this.set({ news: "Your video is under way." });
      await this.updateComplete;
      this.renderRoot.querySelector(`[data-id="${id}"]`).scrollIntoView({ block: "nearest" });
    } catch (trouble) {
      if (!(trouble instanceof Trouble)) throw trouble;
      this.set({ problem: `${saidOf(trouble)} No credits were taken.` });
    }
  }

  render() {
    if (!this.card) {
      if (this.baseUrl && !this.problem) return html`<p class="note" role="status">Loading …</p>`;
      if (this.baseUrl) return html`<p class="note wrong" role="alert">${this.problem}</p>`;
      return gate({ ...this.view(), enter: (event) => this.entered(event) });
    }
    const view = this.view();
    return html`
      <p class="sr" role="status">${this.news}</p>
      ${this.connection}
      <div class="studio" @dragover=${(event) => carriesFile(event) && event.preventDefault()} @drop=${(event) => this.dropped(event)}>
        <section aria-labelledby="make">
          <div class="head">
            <h2 id="make">AI Video</h2>
            ${this.api.key ? html`<button type="button" class="quiet" @click=${() => this.leave()}>Forget the key</button>` : nothing}
          </div>
          ${formOf(view)}
        </section>
        <section aria-labelledby="made">
          <div class="head"><h2 id="made">Your videos</h2></div>
          ${this.videos(view)}
        </section>
      </div>`;
  }

  videos(view) {
    const { items, next, loaded } = this.shelf;
    const none = loaded ? "Nothing yet. Your first video will appear here." : "Loading …";
    return html`
      ${items.length ? nothing : html`<p class="note">${none}</p>`}
      <div class="cards">${repeat(items, ({ id }) => id, (item) => generationCard(item, view))}</div>
      ${next ? html`<button type="button" class="more" @click=${() => this.shelf.load(next)}>Show older ones</button>` : nothing}`;
  }

  entered(event) {
    event.preventDefault();
    const key = new FormData(event.target).get("key").trim();
    if (key) this.open(key);
  }

  view() {
    const { card, form, price, change, pick, unpick, submit, sending, problem, checking, act, busy, copied } = this;
    const others = this.models.split(",").map((name) => name.trim()).filter(Boolean);
    const { upload_id: image, "control.upload_id": video } = this.picks;
    const blocked = form && this.blocked;
    return { card, form, price, change, pick, unpick, submit, sending, problem, checking, act, busy, copied, others, image, video, blocked };
  }
}

const carriesFile = ({ dataTransfer }) => dataTransfer.types.includes("Files");

const saidOf = (trouble) => `${sentence(trouble.message)} ${advice(trouble)}`;

if (!customElements.get("ltx2-studio")) customElements.define("ltx2-studio", LtxStudio); // imported twice, from two URLs

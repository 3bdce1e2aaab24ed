/** What the form would take, from POST /api/quotes: asked a moment after each change; late answers are dropped. */

import { Trouble } from "./api.js";
import { changed, priced } from "./offer.js";
import { advice, sentence } from "./words.js";

const CALM = 250; // milliseconds without a change
const TOGGLES = ["spatial_upscale", "temporal_upscale", "detailer"];

export class Price {
  /** `shown` is called with {credits, estimated_seconds, effects, asking, problem} whenever that changes. */
  constructor(api, shown) {
    this.api = api;
    this.shown = shown;
    this.now = {};
    this.asked = "";
  }

  close() {
    clearTimeout(this.timer);
    this.latest?.abort();
  }

  /** Ask for this form, unless it was asked for already. The prompt changes no price. */
  ask(card, form) {
    const tasks = [form, ...TOGGLES.map((field) => changed(card, form, { [field]: !form[field] }).form)].map((each) => ({
      ...priced(card, each),
      prompt: "a prompt",
    }));
    const asked = JSON.stringify(tasks);
    if (asked === this.asked) return;
    this.asked = asked;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fetch(tasks), CALM);
    this.show({ ...this.now, asking: true });
  }

  async fetch(tasks) {
    this.latest?.abort(); // an answer to an older question must not come in between
    const mine = new AbortController();
    this.latest = mine;
    try {
      const { quotes } = await this.api.insist("POST", "/api/quotes", { body: { tasks }, signal: mine.signal });
      const [now, ...others] = quotes;
      const effects = others.map(({ estimated_seconds: takes }, index) => [TOGGLES[index], takes - now.estimated_seconds]);
      if (mine === this.latest) this.show({ ...now, effects: Object.fromEntries(effects), asking: false });
    } catch (trouble) {
      if (mine !== this.latest || !(trouble instanceof Trouble)) return;
      this.asked = "";
      this.show({ problem: `No price: ${sentence(trouble.message)} ${advice(trouble)}`, asking: false });
    }
  }

  show(now) {
    this.now = now;
    this.shown(now);
  }
}

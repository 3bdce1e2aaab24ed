/** Asks again and again: every few seconds, more seldom while nobody answers, never while nobody looks. */

import { backoff } from "../studio/api.js";

const EVERY = 4_000; // milliseconds

export class Pulse {
  /** `ask(signal)` is called again and again; it says whether to go on. It may throw: then it is asked later. */
  constructor(ask, { failed }) {
    this.ask = ask;
    this.failed = failed;
    this.tried = 0;
    this.seen = () => (document.hidden ? this.rest() : this.now());
    document.addEventListener("visibilitychange", this.seen);
  }

  /** Ask at once, whatever is under way. */
  now() {
    this.rest();
    this.round(); // goes on by itself
  }

  rest() {
    clearTimeout(this.timer);
    this.under?.abort();
  }

  async round() {
    const under = (this.under = new AbortController());
    let wait = EVERY;
    try {
      if (!(await this.ask(under.signal))) return;
      this.tried = 0;
    } catch (trouble) {
      if (under.signal.aborted) return;
      this.tried += 1;
      wait = Math.max(EVERY, backoff(this.tried), (trouble.wait ?? 0) * 1000);
      if (!this.failed(trouble)) return;
    }
    if (!under.signal.aborted && !document.hidden) this.timer = setTimeout(() => this.round(), wait);
  }

  close() {
    this.rest();
    document.removeEventListener("visibilitychange", this.seen);
  }
}

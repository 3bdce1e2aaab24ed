/**
 * The generations that the page shows, newest first, each kept up to date.
 *
 * The API is the authority. A generation under way is followed by its events; as browsers open only six connections
 * to one host, only the newest few are, and only while the tab is seen. The others are asked for now and then.
 */

import { backoff, freshKey, pause } from "./api.js";
import { follow } from "./follow.js";
import { Tabs, remember, requestOf } from "./memory.js";
import { STAGES } from "./words.js";

const PAGE = 12;
const FOLLOWED = 2;
const LOOK_SECONDS = 5;
const LOOKED_AT = 4; // of those that nobody follows, each time
const FINAL = ["succeeded", "failed", "canceled"];

export const ended = (item) => FINAL.includes(item.state);

export class Shelf {
  /** `changed` is called after each change, `said` with a sentence worth hearing, `failed` with a Trouble. */
  constructor(api, { changed, said, failed }) {
    Object.assign(this, { api, changed, said, failed });
    this.items = [];
    this.next = null; // `before` of the following page
    this.loaded = false;
    this.following = new Map(); // id -> AbortController
    this.tabs = new Tabs((id) => this.refresh(id));
    this.closing = new AbortController();
    for (const [target, type] of [[document, "visibilitychange"], [window, "online"]]) {
      target.addEventListener(type, () => this.wake(), { signal: this.closing.signal });
    }
    this.look();
  }

  close() {
    this.closing.abort();
    this.tabs.close();
    for (const listening of this.following.values()) listening.abort();
  }

  /** Somebody looks again: what was started elsewhere meanwhile is shown too. */
  wake() {
    this.attend();
    if (!document.hidden) this.load();
  }

  find = (id) => this.items.find((each) => each.id === id);

  /** The newest page, or the one after what is shown. Tries until it is there or the shelf closes. */
  load(before = null) {
    if (this.loading && !before) return this.loading;
    const mine = Promise.resolve(this.loading)
      .then(() => this.fetch(before))
      .catch((trouble) => this.failed(trouble))
      .finally(() => {
        if (this.loading === mine) this.loading = null;
      });
    this.loading = mine;
    return mine;
  }

  async fetch(before) {
    for (let tried = 1; !this.closing.signal.aborted; tried += 1) {
      try {
        const query = before ? `&before=${before}` : "";
        const page = await this.api.ask("GET", `/api/generations?limit=${PAGE}${query}`, { signal: this.closing.signal });
        if (before || !this.loaded) this.next = page.next;
        this.loaded = true;
        for (const each of page.generations) this.put(each);
        await Promise.all(page.generations.map(({ id }) => this.refresh(id)));
        return;
      } catch (trouble) {
        if (!trouble.retryable) throw trouble;
        await pause(backoff(tried), this.closing.signal);
      }
    }
  }

  /** Start what is asked for. A repetition after a lost answer starts nothing twice. Throws a Trouble. */
  async create(body) {
    const made = await this.api.insist("POST", "/api/generations", { body, headers: { "Idempotency-Key": freshKey() } });
    remember(made.id, body);
    this.put(made);
    this.tabs.tell(made.id);
    return made;
  }

  /** Throws a Trouble. */
  async cancel(id) {
    this.put(await this.api.insist("DELETE", `/api/generations/${id}`));
    this.tabs.tell(id);
  }

  /** Ask for one generation anew; what cannot be had now is asked for again by `look`. */
  async refresh(id) {
    try {
      this.put(await this.api.insist("GET", `/api/generations/${id}`, { signal: this.closing.signal }));
    } catch (trouble) {
      const item = this.find(id);
      if (item && !trouble.retryable) item.gone = true;
    }
  }

  put(detail) {
    const known = this.find(detail.id);
    const live = known?.live ?? {};
    const item = { request: requestOf(detail.id), ...known, ...detail, live };
    for (const clip of ["result", "early_look"]) {
      const kept = known?.[clip]?.sha256 === detail[clip]?.sha256 && !live.renewing;
      if (known?.[clip] && kept) item[clip] = known[clip]; // the same video under another signature would begin anew
    }
    live.renewing = false;
    live.asked = Date.now();
    live.seq = Math.max(live.seq ?? 0, detail.last_seq ?? 0);
    if (known && !ended(known) && ended(item)) this.said(endingOf(item));
    this.items = [...this.items.filter(({ id }) => id !== detail.id), item].sort((a, b) =>
      b.created_at.localeCompare(a.created_at),
    );
    this.attend();
    this.changed();
  }

  /** Follow the newest that are under way, and no others. */
  attend() {
    const wanted = document.hidden ? [] : this.items.filter((each) => !ended(each) && each.plan && !each.live.deaf).slice(0, FOLLOWED);
    for (const [id, listening] of this.following) {
      if (!wanted.some((each) => each.id === id)) {
        listening.abort();
        this.following.delete(id);
      }
    }
    for (const { id, live } of wanted) {
      if (this.following.has(id)) continue;
      const listening = new AbortController();
      this.following.set(id, listening);
      follow(this.api, id, live.seq, (event) => this.hear(id, event), listening.signal)
        .catch(() => {
          live.deaf = true; // from now on it is asked for like those that nobody follows
        })
        .finally(() => {
          if (listening.signal.aborted) return;
          this.following.delete(id);
          this.refresh(id);
        });
    }
  }

  hear(id, event) {
    const item = this.find(id);
    if (!item) return;
    if (event.type === "early_look") {
      item.live.seq = event.seq;
      this.refresh(id); // which brings its presigned URL
      return;
    }
    if (event.type !== "progress") Object.assign(item.live, { step: null, steps: null }); // those of the stage before
    Object.assign(item.live, event, event.remaining_seconds === undefined ? {} : { remaining_at: Date.now() });
    item.fraction = event.fraction ?? item.fraction;
    item.early_look = event.early_look ?? item.early_look;
    if (item.state === "queued" && event.type === "stage.running") item.state = "running";
    if (event.type === "stage.succeeded") this.said(`${STAGES[event.stage]} is done.`);
    this.changed();
  }

  /** Ask for those that nobody follows; while the tab is hidden, nothing is asked. */
  async look() {
    while (!this.closing.signal.aborted) {
      await pause(LOOK_SECONDS * 1000 * (0.75 + Math.random() / 2), this.closing.signal);
      if (document.hidden) continue;
      const stale = this.items.filter((each) => !each.gone && !this.following.has(each.id) && (!ended(each) || !each.plan));
      stale.sort((a, b) => (a.live.asked ?? 0) - (b.live.asked ?? 0));
      for (const { id } of stale.slice(0, LOOKED_AT)) await this.refresh(id);
      if (!this.api.answered && !stale.length) await this.load(); // until somebody answers
    }
  }
}

function endingOf({ state, credits_refund: refund }) {
  if (state === "succeeded") return "Your video is ready.";
  const credits = refund ? ` ${refund} credits came back.` : "";
  return state === "failed" ? `A video failed.${credits}` : `The video was canceled.${credits}`;
}

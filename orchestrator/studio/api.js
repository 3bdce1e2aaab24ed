/**
 * The orchestrator's API, or a backend that stands in front of it.
 *
 * With a key, every request carries it in its header, never in a URL. Without one, `base` is a backend of the page's
 * own that knows its user by a cookie.
 */

/** What went wrong, in the words of RFC 9457. `code` is "offline" when no answer came at all. */
export class Trouble extends Error {
  constructor({ status = 0, code, detail, retryable = false, errors = [], wait = null }) {
    super(detail);
    this.status = status;
    this.code = code;
    this.retryable = retryable;
    this.errors = errors;
    this.wait = wait;
  }
}

const SECONDS = 30;
const TRIES = 4;

export class Api {
  constructor(base, key, { reached = () => {} } = {}) {
    this.base = base.replace(/\/+$/, "");
    this.key = key;
    this.reached = reached; // told after each request whether anybody answered
    this.answered = true;
  }

  heard(answered) {
    this.answered = answered;
    this.reached(answered);
  }

  /** The JSON of the answer; throws a Trouble. */
  async ask(method, path, { body, headers = {}, signal } = {}) {
    const deadline = AbortSignal.timeout(SECONDS * 1000);
    const answer = await this.send(method, path, {
      headers: { ...headers, ...(body ? { "Content-Type": "application/json" } : {}) },
      body: body && JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
    });
    return answer.json();
  }

  /** As `ask`, again where the same may work a little later. Only for what may be asked twice. */
  async insist(method, path, options) {
    for (let tried = 1; ; tried += 1) {
      try {
        return await this.ask(method, path, options);
      } catch (trouble) {
        if (!(trouble instanceof Trouble && trouble.retryable) || tried === TRIES) throw trouble;
        await pause(trouble.wait ? trouble.wait * 1000 : backoff(tried), options?.signal);
      }
    }
  }

  /** The open answer; throws a Trouble. */
  async send(method, path, { headers = {}, ...rest } = {}) {
    let answer;
    try {
      answer = await fetch(this.base + path, {
        method,
        headers: this.key ? { ...headers, Authorization: `Bearer ${this.key}` } : headers,
        credentials: this.key ? "omit" : "include",
        cache: "no-store",
        ...rest,
      });
    } catch (error) {
      if (rest.signal?.aborted && rest.signal.reason?.name === "AbortError") throw error; // we wanted that
      this.heard(false);
      throw new Trouble({ code: "offline", detail: "The server cannot be reached.", retryable: true });
    }
    this.heard(true);
    if (!answer.ok) throw await troubleOf(answer);
    return answer;
  }
}

async function troubleOf(answer) {
  const said = await answer.json().catch(() => ({})); // a proxy in between says HTML
  const wait = Number(answer.headers.get("Retry-After")) || null;
  const retryable = said.retryable ?? [429, 502, 503, 504].includes(answer.status);
  return new Trouble({
    status: answer.status,
    code: said.code ?? `http_${answer.status}`,
    detail: said.detail ?? `The server answered ${answer.status}.`,
    retryable,
    errors: said.errors ?? [],
    wait,
  });
}

/** Milliseconds before try number `tried + 1`: doubling to half a minute, with jitter. */
export const backoff = (tried) => Math.min(30_000, 500 * 2 ** tried) * (0.5 + Math.random() / 2);

/** Resolves after so many milliseconds, or at once when the signal aborts. */
export const pause = (milliseconds, signal) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });

/** An Idempotency-Key. `crypto.randomUUID` is missing on plain-http hosts other than localhost. */
export const freshKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

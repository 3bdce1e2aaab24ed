// One request: its deadline, its errors, and its repetition where that is safe.
import { type Patience, sleep, waitMs } from "./backoff.js";
import { ApiError, errorOf, Ltx2Error, TimeoutError, UnreachableError } from "./errors.js";

export interface Call {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
  readonly idempotencyKey?: string;
  /** A repetition does no harm: it reads only, or carries an idempotency key. */
  readonly repeatable: boolean;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Of one try. */
  readonly timeoutMs?: number | undefined;
}

export interface HttpOptions {
  readonly baseUrl: string;
  readonly apiKey: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly patience: Patience;
  readonly fetch: typeof fetch;
}

export class Http {
  readonly options: HttpOptions;

  constructor(options: HttpOptions) {
    this.options = options;
  }

  /** The JSON of the answer. */
  async json<T>(call: Call, options: CallOptions = {}): Promise<T> {
    const patience = call.repeatable ? this.options.patience : { ...this.options.patience, tries: 1 };
    return persist(patience, options.signal, () =>
      this.once(call, options, async (answer) => (await answer.json()) as T),
    );
  }

  /** The answer with its body still to come; the deadline is that of its head. */
  async open(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const call: Call = { method: "GET", path, repeatable: true };
    const head = new AbortController();
    const timer = setTimeout(() => head.abort(new TimeoutError(`GET ${path}: no answer`)), this.options.timeoutMs);
    try {
      const answer = await this.fetch(call, AbortSignal.any([signal, head.signal]), headers);
      if (!answer.ok) throw await errorOf(answer);
      return answer;
    } catch (error) {
      throw head.signal.aborted ? head.signal.reason : failureOf(error, `GET ${path}`, signal);
    } finally {
      clearTimeout(timer);
    }
  }

  private async once<T>(call: Call, options: CallOptions, read: (answer: Response) => Promise<T>): Promise<T> {
    const timeoutMs = options.timeoutMs ?? this.options.timeoutMs;
    const deadline = AbortSignal.timeout(timeoutMs);
    const signal = options.signal ? AbortSignal.any([options.signal, deadline]) : deadline;
    try {
      const answer = await this.fetch(call, signal);
      if (!answer.ok) throw await errorOf(answer);
      return await read(answer);
    } catch (error) {
      if (deadline.aborted && !options.signal?.aborted) {
        throw new TimeoutError(`${call.method} ${call.path}: no answer in ${timeoutMs} ms`);
      }
      throw failureOf(error, `${call.method} ${call.path}`, options.signal);
    }
  }

  private fetch(call: Call, signal: AbortSignal, extra: Record<string, string> = {}): Promise<Response> {
    const headers: Record<string, string> = { accept: "application/json", ...this.options.headers, ...extra };
    if (this.options.apiKey !== undefined) headers["authorization"] = `Bearer ${this.options.apiKey}`;
    if (call.idempotencyKey !== undefined) headers["idempotency-key"] = call.idempotencyKey;
    const init: RequestInit = { method: call.method, headers, signal, redirect: "error" };
    if (call.body !== undefined) {
      headers["content-type"] = "application/json";
      init.body = JSON.stringify(call.body);
    }
    return this.options.fetch(this.options.baseUrl + call.path, init);
  }
}

/** Tries until it works, the trouble is a lasting one, or patience ends; then the last error. */
export async function persist<T>(
  patience: Patience,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Ltx2Error) || !error.retryable) throw error;
      const asked = error instanceof ApiError ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
      const wait = waitMs(failures, patience, asked);
      if (wait === undefined) throw error;
      await sleep(wait, signal);
    }
  }
}

/** What to throw for what `fetch` threw. */
export function failureOf(error: unknown, what: string, signal?: AbortSignal): unknown {
  if (signal?.aborted) return signal.reason;
  if (error instanceof Ltx2Error) return error;
  if (error instanceof SyntaxError) return new UnreachableError(`${what}: the answer is no JSON`, { cause: error });
  return new UnreachableError(`${what}: ${reasonOf(error)}`, { cause: error });
}

/** Node says "fetch failed" and hides why in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

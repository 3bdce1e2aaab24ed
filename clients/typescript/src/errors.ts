// Everything that this client throws, but for the reason of an AbortSignal, which is thrown as it is.
import type { FieldProblem, Problem } from "./types.js";

/** Something went wrong; `code` is for programs, and `retryable` says whether the same call may work later. */
export class Ltx2Error extends Error {
  readonly code: string;
  readonly retryable: boolean;

  constructor(code: string, message: string, retryable: boolean, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.retryable = retryable;
  }
}

/** The API (or, with the code `upload_refused`, the storage) answered, and the answer was no. */
export class ApiError extends Ltx2Error {
  readonly status: number;
  /** Each field that was wrong, with what is legal and what is nearest. */
  readonly fields: readonly FieldProblem[];
  /** When to come again, where the answer said so. */
  readonly retryAfterSeconds: number | undefined;

  constructor(status: number, problem: Partial<Problem>, retryAfterSeconds?: number) {
    const retryable = problem.retryable ?? passing(status);
    super(problem.code ?? `http_${status}`, problem.detail ?? `HTTP ${status}`, retryable);
    this.status = status;
    this.fields = problem.errors ?? [];
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** No answer: the network failed, or the server is away. */
export class UnreachableError extends Ltx2Error {
  constructor(message: string, options?: ErrorOptions) {
    super("unreachable", message, true, options);
  }
}

/** No answer in time. Whether the request was carried out is not known; an idempotency key makes it safe to ask again. */
export class TimeoutError extends Ltx2Error {
  constructor(message: string) {
    super("timeout", message, true);
  }
}

/** A webhook that must not be believed. */
export class WebhookVerificationError extends Ltx2Error {
  constructor(message: string) {
    super("webhook_unverified", message, false);
  }
}

/** An answer of something in between, without a problem in it: a gateway, a load balancer. */
function passing(status: number): boolean {
  return status === 408 || status === 429 || status === 502 || status === 503 || status === 504;
}

export async function errorOf(answer: Response): Promise<ApiError> {
  const text = await answer.text();
  return new ApiError(answer.status, problemOf(answer, text), retryAfterSeconds(answer.headers.get("retry-after")));
}

function problemOf(answer: Response, text: string): Partial<Problem> {
  if (!answer.headers.get("content-type")?.includes("json")) return {};
  try {
    const found: unknown = JSON.parse(text);
    return typeof found === "object" && found !== null ? (found as Partial<Problem>) : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {}; // the status says enough
    throw error;
  }
}

/** Of a Retry-After header in either of its forms. */
export function retryAfterSeconds(header: string | null, now = Date.now()): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) : (Date.parse(header) - now) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}

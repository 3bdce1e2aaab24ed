// Errors as problem+json, the form in which the orchestrator gives its own.
import { ApiError, Ltx2Error } from "@mivo/ltx2";
import type { ErrorRequestHandler } from "express";

/** Of another user; which looks the same as none. */
export class NotYours extends Error {}

export const answerProblems: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (response.headersSent) {
    next(error); // half an answer is out: Express breaks the connection, and the page comes back
    return;
  }
  const { status, code, detail, retryable, more, retryAfterSeconds } = problemOf(error);
  if (status >= 500) console.error(error);
  if (retryAfterSeconds !== undefined) response.set("retry-after", String(Math.ceil(retryAfterSeconds)));
  response.status(status).type("application/problem+json");
  response.send(JSON.stringify({ status, code, detail, retryable, ...more }));
};

interface Told {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly retryable: boolean;
  readonly more?: object;
  readonly retryAfterSeconds?: number | undefined;
}

function problemOf(error: unknown): Told {
  if (error instanceof NotYours) {
    return { status: 404, code: "not_found", detail: "there is no such generation", retryable: false };
  }
  if (error instanceof ApiError && error.status !== 401 && error.status !== 403) {
    const { status, code, message: detail, retryable, retryAfterSeconds } = error;
    return { status, code, detail, retryable, retryAfterSeconds, more: error.fields.length > 0 ? { errors: error.fields } : {} };
  }
  if (error instanceof Ltx2Error && error.retryable) {
    const detail = "videos cannot be made just now; try again soon";
    return { status: 503, code: "unavailable", detail, retryable: true, retryAfterSeconds: 5 };
  }
  if (isBadBody(error)) {
    return { status: error.status, code: "bad_request", detail: "the body cannot be read", retryable: false };
  }
  return { status: 500, code: "internal", detail: "something went wrong on our side", retryable: false }; // our key is wrong, too
}

/** What express.json throws for a body that is no JSON, or too long. */
function isBadBody(error: unknown): error is { status: number } {
  return error instanceof Error && "expose" in error && error.expose === true && "status" in error;
}

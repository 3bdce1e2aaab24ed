// Follows a generation to its end over as many connections as it takes; nothing is told twice or left out.
import { type Patience, sleep, waitMs } from "./backoff.js";
import { ApiError, Ltx2Error, UnreachableError } from "./errors.js";
import type { Listen } from "./heard.js";
import { NeverOpenedError } from "./socket.js";
import type { ProgressEvent } from "./types.js";

export interface FollowOptions {
  /** Go on after this number. */
  readonly after?: number;
  readonly signal?: AbortSignal;
}

const FINAL: ReadonlySet<string> = new Set(["generation.succeeded", "generation.failed", "generation.canceled"]);

/** `ways`: the preferred one, and the ones to fall back to when it cannot be opened. */
export async function* follow(
  ways: readonly [Listen, ...Listen[]],
  patience: Patience,
  options: FollowOptions = {},
): AsyncGenerator<ProgressEvent, void> {
  const signal = options.signal ?? new AbortController().signal;
  let seq = options.after ?? 0;
  let way = 0;
  let failures = 0;
  for (;;) {
    signal.throwIfAborted();
    let asked = 0;
    let why: unknown;
    try {
      const listen = ways[way] ?? ways[0];
      for await (const heard of listen(seq, signal)) {
        failures = 0;
        if (heard === "end") return;
        if (heard === "alive" || heard.seq <= seq) continue;
        seq = heard.seq;
        yield heard;
        if (FINAL.has(heard.type)) return;
      }
    } catch (error) {
      if (signal.aborted || !(error instanceof Ltx2Error) || !error.retryable) throw error;
      if (error instanceof NeverOpenedError && way + 1 < ways.length) way += 1;
      asked = error instanceof ApiError ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
      why = error;
    }
    signal.throwIfAborted();
    failures += 1;
    const wait = waitMs(failures, patience, asked);
    if (wait === undefined) throw new UnreachableError("the progress cannot be followed", { cause: why });
    await sleep(wait, signal);
  }
}

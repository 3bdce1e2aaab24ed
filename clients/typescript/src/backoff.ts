// How long to wait before the next try. Pure, but for `sleep`.

export interface Patience {
  /** Tries in all, the first one included. */
  readonly tries: number;
  /** Before the second try, about; it doubles. */
  readonly firstMs: number;
  /** No wait is longer. Whoever asks for more by Retry-After gets an error instead. */
  readonly maxMs: number;
}

/** The wait after so many failures in a row; undefined: give up. */
export function waitMs(
  failures: number,
  patience: Patience,
  retryAfterMs = 0,
  random: () => number = Math.random,
): number | undefined {
  if (failures >= patience.tries || retryAfterMs > patience.maxMs) return undefined;
  const wait = Math.min(patience.maxMs, patience.firstMs * 2 ** (failures - 1));
  // Half of it is drawn, so that many clients do not come back together.
  return Math.min(patience.maxMs, Math.max(retryAfterMs, wait * 0.5) + wait * 0.5 * random());
}

/** Rejects with the signal's reason. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

// What the two ways to follow a generation have in common.
import type { ProgressEvent } from "./types.js";

/** `alive`: nothing new, but somebody is there. `end`: all has been told. */
export type Heard = ProgressEvent | "alive" | "end";

/** Opens one connection that tells what came after `seq`; it ends whenever the connection does. */
export type Listen = (seq: number, signal: AbortSignal) => AsyncGenerator<Heard, void>;

/** Calls back when nothing has been heard for so long. */
export class Silence {
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly ms: number,
    private readonly tooLong: () => void,
  ) {
    this.broken();
  }

  broken(): void {
    this.over();
    this.timer = setTimeout(this.tooLong, this.ms);
  }

  over(): void {
    clearTimeout(this.timer);
  }
}

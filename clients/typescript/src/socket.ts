// Following by WebSocket.
import { UnreachableError } from "./errors.js";
import { type Heard, type Listen, Silence } from "./heard.js";
import type { ProgressEvent } from "./types.js";

/** As much of a WebSocket as is used: the browser's, Node 22's own, and that of the package `ws` fit. */
export interface SocketLike {
  onopen: ((event: never) => unknown) | null;
  onmessage: ((event: never) => unknown) | null;
  onclose: ((event: never) => unknown) | null;
  onerror: ((event: never) => unknown) | null;
  close(): void;
}

export type SocketClass = new (url: string, protocols?: string[]) => SocketLike;

/** The socket never opened. A browser does not say why; asking by HTTP does. */
export class NeverOpenedError extends UnreachableError {}

const ALL_TOLD = 1000;

export interface SocketOptions {
  readonly url: string;
  readonly apiKey: string | undefined;
  readonly WebSocket: SocketClass;
  /** For opening. */
  readonly timeoutMs: number;
  readonly silenceMs: number;
}

export function progressSocket(options: SocketOptions): Listen {
  return async function* listen(seq, signal) {
    const heard: (Heard | Error | "closed")[] = [];
    let wake: () => void = () => undefined;
    const tell = (what: (typeof heard)[number]) => {
      heard.push(what);
      wake();
    };
    const socket = open(options, seq);
    let opened = false;
    let silence = new Silence(options.timeoutMs, () => tell(new NeverOpenedError("the socket did not open in time")));
    const stop = () => tell("closed");
    signal.addEventListener("abort", stop, { once: true });
    socket.onopen = () => {
      opened = true;
      silence.over();
      silence = new Silence(options.silenceMs, () => tell(new UnreachableError("nothing was heard for too long")));
    };
    socket.onmessage = (event: { data: unknown }) => {
      silence.broken();
      try {
        const message = JSON.parse(String(event.data)) as ProgressEvent | { type: "heartbeat" };
        tell(message.type === "heartbeat" ? "alive" : message);
      } catch (error) {
        tell(new UnreachableError("a message of the socket is no JSON", { cause: error }));
      }
    };
    socket.onerror = () => undefined; // a close follows, and says no less
    socket.onclose = (event: { code: number }) => {
      if (!opened) tell(new NeverOpenedError("the socket was refused"));
      else tell(event.code === ALL_TOLD ? "end" : "closed");
    };
    try {
      for (;;) {
        while (heard.length > 0) {
          const next = heard.shift();
          signal.throwIfAborted();
          if (next === undefined || next === "closed") return;
          if (next instanceof Error) throw next;
          yield next;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (heard.length > 0) resolve();
        });
      }
    } finally {
      signal.removeEventListener("abort", stop);
      silence.over();
      socket.close();
    }
  };
}

/** A key that holds other characters than a subprotocol may, e.g. those of base64, cannot travel this way. */
function open(options: SocketOptions, seq: number): SocketLike {
  const protocols = ["ltx2.progress", ...(options.apiKey === undefined ? [] : [`bearer.${options.apiKey}`])];
  try {
    return new options.WebSocket(`${options.url}?after=${seq}`, protocols);
  } catch (error) {
    throw new NeverOpenedError("the socket cannot be opened", { cause: error });
  }
}

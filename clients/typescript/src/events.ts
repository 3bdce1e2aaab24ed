// Following by server-sent events, read with fetch: works wherever fetch does, and tells errors with their status.
import { UnreachableError } from "./errors.js";
import { type Heard, type Listen, Silence } from "./heard.js";
import type { Http } from "./http.js";
import type { ProgressEvent } from "./types.js";

export function eventStream(http: Http, path: string, silenceMs: number): Listen {
  return async function* listen(seq, signal) {
    const quiet = new AbortController();
    const either = AbortSignal.any([signal, quiet.signal]);
    const answer = await http.open(path, { accept: "text/event-stream", "last-event-id": String(seq) }, either);
    if (answer.status === 204 || answer.body === null) {
      yield "end";
      return;
    }
    const silence = new Silence(silenceMs, () => quiet.abort(new UnreachableError("nothing was heard for too long")));
    const reader = answer.body.getReader();
    try {
      const parser = new EventParser();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        silence.broken();
        yield* parser.take(value);
      }
    } catch (error) {
      if (either.aborted) throw either.reason;
      throw new UnreachableError("the event stream broke", { cause: error });
    } finally {
      silence.over();
      await reader.cancel().catch(() => undefined); // it is broken already, which is why we are here
    }
  };
}

/** Server-sent events out of chunks that end anywhere. A comment is a sign of life. */
export class EventParser {
  private readonly decoder = new TextDecoder();
  private rest = "";
  private data: string[] = [];

  *take(chunk: Uint8Array): Generator<Heard, void> {
    const lines = (this.rest + this.decoder.decode(chunk, { stream: true })).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith(":")) yield "alive";
      else if (line.startsWith("data:")) this.data.push(line.slice(line[5] === " " ? 6 : 5));
      else if (line === "" && this.data.length > 0) {
        const text = this.data.join("\n");
        this.data = [];
        yield JSON.parse(text) as ProgressEvent;
      }
    }
  }
}

/**
 * The progress of a generation as server-sent events, read by fetch: an EventSource can send no key, and a key does
 * not belong into a URL.
 */

import { Trouble, backoff, pause } from "./api.js";

const SILENCE_SECONDS = 75; // the server shows a sign of life every 30

/** Calls `told` with every event after number `seq` until the generation has ended or the signal aborts. */
export async function follow(api, id, seq, told, signal) {
  let failed = 0;
  while (!signal.aborted) {
    try {
      const ended = await listen(api, id, () => seq, (event) => {
        failed = 0;
        seq = event.seq ?? seq;
        told(event);
      }, signal);
      if (ended) return;
    } catch (trouble) {
      if (signal.aborted) return;
      if (trouble instanceof Trouble && !trouble.retryable) throw trouble;
      failed += 1; // anything else is a connection that broke
    }
    await pause(failed ? backoff(failed) : 250, signal);
  }
}

async function listen(api, id, seq, told, signal) {
  const silence = new AbortController();
  let timer;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(new DOMException("silence", "TimeoutError")), SILENCE_SECONDS * 1000);
  };
  alive();
  try {
    const answer = await api.send("GET", `/api/generations/${id}/events?after=${seq()}`, {
      headers: { Accept: "text/event-stream" },
      signal: AbortSignal.any([signal, silence.signal]),
    });
    if (answer.status === 204) return true; // it has ended, and all has been told
    let ended = false;
    for await (const event of eventsIn(answer.body, alive)) {
      told(event);
      ended = isEnd(event);
    }
    return ended;
  } finally {
    clearTimeout(timer);
  }
}

export const isEnd = ({ type }) => ["generation.succeeded", "generation.failed", "generation.canceled"].includes(type);

/** The JSON of each event in a stream of bytes. */
export async function* eventsIn(bytes, alive = () => {}) {
  const reader = bytes.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    alive();
    const blocks = (rest + value).replaceAll("\r\n", "\n").split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim());
      if (data.length) yield JSON.parse(data.join("\n"));
    }
  }
}

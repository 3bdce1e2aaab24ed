import assert from "node:assert/strict";
import { test } from "node:test";
import { EventParser } from "../src/events.js";
import { all, type Answer, clientOf, hangUp, problem, serving, silent } from "./support.js";

const event = (seq: number, type = "progress") => `id: ${seq}\nevent: ${type}\ndata: {"seq": ${seq}, "type": "${type}"}\n\n`;
const END = "generation.succeeded";

/** Server-sent events; `stay` keeps the line open afterwards. */
function told(text: string, { stay = false } = {}): Answer {
  return (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write(text);
    if (!stay) response.end();
  };
}

const seqs = (events: readonly { seq: number }[]) => events.map(({ seq }) => seq);

test("events come in order up to the end, and the line is closed", async () => {
  const { url, seen } = await serving(told(event(1) + ": keep-alive\n\n" + event(2) + event(3, END), { stay: true }));
  assert.deepEqual(seqs(await all(clientOf(url).follow("g1"))), [1, 2, 3]);
  assert.equal(seen[0]?.url, "/api/generations/g1/events");
  assert.equal(seen[0]?.headers["last-event-id"], "0");
  assert.equal(seen[0]?.headers.authorization, "Bearer key-of-the-test");
});

test("a broken line is taken up where it broke, and nothing is told twice", async () => {
  const { url, seen } = await serving(
    told(event(1) + event(2)),
    hangUp,
    problem(503, "storage_unavailable", { retryable: true }),
    told(event(2) + event(3)),
    told(event(4, END)),
  );
  assert.deepEqual(seqs(await all(clientOf(url).follow("g1"))), [1, 2, 3, 4]);
  assert.deepEqual(
    seen.map(({ headers }) => headers["last-event-id"]),
    ["0", "2", "2", "2", "3"],
  );
});

test("who has heard all hears nothing more", async () => {
  const { url, seen } = await serving((response) => void response.writeHead(204).end());
  assert.deepEqual(await all(clientOf(url).follow("g1", { after: 9 })), []);
  assert.equal(seen[0]?.headers["last-event-id"], "9");
});

test("trouble without news ends at the limit of patience, with its cause", async () => {
  const { url, seen } = await serving(told(event(1)), hangUp);
  await assert.rejects(all(clientOf(url).follow("g1")), (error: Error) => {
    assert.equal(error.name, "UnreachableError");
    assert.equal((error.cause as Error).name, "UnreachableError");
    return true;
  });
  assert.equal(seen.length, 4); // the one with news begins the count anew, and its own end is the first failure
});

test("a line that only says that it lives is patience enough", async () => {
  const alive = told(": keep-alive\n\n");
  const { url, seen } = await serving(alive, alive, alive, alive, alive, alive, told(event(1, END)));
  assert.deepEqual(seqs(await all(clientOf(url).follow("g1"))), [1]);
  assert.equal(seen.length, 7);
});

test("a silent line is dropped", async () => {
  const { url, seen } = await serving(told(event(1), { stay: true }), told(event(2, END)));
  assert.deepEqual(seqs(await all(clientOf(url, { silenceMs: 300 }).follow("g1"))), [1, 2]);
  assert.ok(seen.length >= 2);
});

test("a server that does not even answer is given up in time", async () => {
  const { url } = await serving(silent);
  await assert.rejects(all(clientOf(url, { timeoutMs: 50 }).follow("g1")), (error: Error) => {
    assert.equal(error.name, "UnreachableError");
    assert.equal((error.cause as Error).name, "TimeoutError");
    return true;
  });
});

test("a refusal is final", async () => {
  const { url, seen } = await serving(problem(404, "not_found"));
  await assert.rejects(all(clientOf(url).follow("g1")), { name: "ApiError", code: "not_found" });
  assert.equal(seen.length, 1);
});

test("an AbortSignal ends it with its own reason, in the middle of a silence", async () => {
  const { url } = await serving(told(event(1), { stay: true }));
  const control = new AbortController();
  const following = clientOf(url).follow("g1", { signal: control.signal });
  assert.equal((await following.next()).value?.seq, 1);
  control.abort(new Error("the user left"));
  await assert.rejects(following.next(), { message: "the user left" });
});

test("whoever stops listening closes the line", async () => {
  let left: () => void;
  const gone = new Promise<void>((resolve) => (left = resolve));
  const { url } = await serving((response, seen) => {
    response.on("close", left);
    return told(event(1), { stay: true })(response, seen);
  });
  for await (const each of clientOf(url).follow("g1")) {
    assert.equal(each.seq, 1);
    break;
  }
  await gone;
});

test("events are found in whatever pieces they come, and with any ends of lines", () => {
  const text = 'id: 1\r\ndata: {"seq": 1,\r\ndata: "type": "progress", "stage": "ü"}\r\n\r\n: hello\rdata:{"seq": 2}\r\r';
  const bytes = new TextEncoder().encode(`${text}\n`);
  for (const size of [1, 2, 3, 7, bytes.length]) {
    const parser = new EventParser();
    const heard = [];
    for (let at = 0; at < bytes.length; at += size) heard.push(...parser.take(bytes.slice(at, at + size)));
    assert.deepEqual(heard, [{ seq: 1, type: "progress", stage: "ü" }, "alive", { seq: 2 }], `in pieces of ${size}`);
  }
});

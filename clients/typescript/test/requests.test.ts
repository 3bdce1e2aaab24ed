import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, TimeoutError, UnreachableError } from "@mivo/ltx2";
import { retryAfterSeconds } from "../src/errors.js";
import { clientOf, hangUp, json, nobody, problem, serving, silent } from "./support.js";

const made = json(201, { id: "g1", state: "queued" });
const wish = { prompt: "a lighthouse" };

test("each call goes where it belongs, with the key", async () => {
  const { url, seen } = await serving(json(200, { generations: [], next: null }));
  const client = clientOf(`${url}/`, { headers: { "x-user": "17" } });
  await client.create(wish, { idempotencyKey: "wish-1" });
  await client.createTasks([wish, { prompt: "a ship", quality: "pro" }], { idempotencyKey: "wish-2" });
  await client.get("g/1");
  await client.list();
  await client.list({ limit: 5, before: 17 });
  await client.cancel("g1");
  await client.quote(wish);
  await client.quoteTasks([wish]);
  await client.models();
  assert.deepEqual(
    seen.map(({ method, url, body }) => [method, url, body === "" ? null : JSON.parse(body)]),
    [
      ["POST", "/api/generations", wish],
      ["POST", "/api/generations", { tasks: [wish, { prompt: "a ship", quality: "pro" }] }],
      ["GET", "/api/generations/g%2F1", null],
      ["GET", "/api/generations", null],
      ["GET", "/api/generations?limit=5&before=17", null],
      ["DELETE", "/api/generations/g1", null],
      ["POST", "/api/quotes", wish],
      ["POST", "/api/quotes", { tasks: [wish] }],
      ["GET", "/api/models", null],
    ],
  );
  assert.deepEqual(
    seen.map(({ headers }) => headers["idempotency-key"]),
    ["wish-1", "wish-2", ...Array<undefined>(7)],
  );
  for (const { headers } of seen) {
    assert.equal(headers.authorization, "Bearer key-of-the-test");
    assert.equal(headers["x-user"], "17");
  }
});

test("creating is repeated under one key, even one that nobody named", async () => {
  const { url, seen } = await serving(hangUp, problem(503, "storage_unavailable", { retryable: true }), made);
  assert.equal((await clientOf(url).create(wish)).id, "g1");
  const keys = new Set(seen.map(({ headers }) => headers["idempotency-key"]));
  assert.equal(seen.length, 3);
  assert.equal(keys.size, 1);
  assert.match(String([...keys][0]), /^[0-9a-f]{32}$/);
});

test("two wishes have two keys", async () => {
  const { url, seen } = await serving(made);
  await clientOf(url).create(wish);
  await clientOf(url).create(wish);
  assert.notEqual(seen[0]?.headers["idempotency-key"], seen[1]?.headers["idempotency-key"]);
});

test("reading is repeated as often as patience allows, and then the last error comes", async () => {
  const { url, seen } = await serving(problem(503, "storage_unavailable", { retryable: true }));
  await assert.rejects(clientOf(url).get("g1"), { name: "ApiError", code: "storage_unavailable", retryable: true });
  assert.equal(seen.length, 4);
});

test("an answer of something in between is repeated too, and an odd one is typed", async () => {
  const { url, seen } = await serving((response) => void response.writeHead(502).end("<html>bad gateway</html>"), made);
  assert.equal((await clientOf(url).get("g1")).id, "g1");
  assert.equal(seen.length, 2);
  const odd = await serving((response) => void response.writeHead(418).end("short and stout"));
  await assert.rejects(clientOf(odd.url).get("g1"), { code: "http_418", status: 418, retryable: false });
});

test("canceling is sent once: whether it worked is to be asked", async () => {
  const { url, seen } = await serving(hangUp, json(200, {}));
  await assert.rejects(clientOf(url).cancel("g1"), UnreachableError);
  assert.equal(seen.length, 1);
});

test("a refusal says which fields, and is not repeated", async () => {
  const errors = [{ field: "duration", message: "no", legal: ["10", "15", "20"], nearest: "10" }];
  const { url, seen } = await serving(problem(422, "invalid_input", { errors }));
  await assert.rejects(clientOf(url).create(wish), (error) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.status, error.code, error.retryable], [422, "invalid_input", false]);
    assert.deepEqual(error.fields, errors);
    assert.equal(error.message, "it is invalid_input");
    return true;
  });
  assert.equal(seen.length, 1);
});

test("Retry-After is waited for", async () => {
  const busy = problem(429, "rate_limited", { retryable: true }, { "retry-after": "1" });
  const { url, seen } = await serving(busy, made);
  const started = performance.now();
  await clientOf(url).create(wish);
  assert.ok(performance.now() - started >= 990);
  assert.equal(seen.length, 2);
});

test("a Retry-After beyond patience is an error that tells it", async () => {
  const { url, seen } = await serving(problem(429, "too_many_in_flight", { retryable: true }, { "retry-after": "15" }));
  await assert.rejects(clientOf(url).create(wish), { code: "too_many_in_flight", retryAfterSeconds: 15 });
  assert.equal(seen.length, 1);
});

test("Retry-After has two forms", () => {
  const now = Date.parse("Mon, 02 Mar 2026 10:00:00 GMT");
  assert.equal(retryAfterSeconds("17", now), 17);
  assert.equal(retryAfterSeconds("Mon, 02 Mar 2026 10:00:30 GMT", now), 30);
  assert.equal(retryAfterSeconds("Mon, 02 Mar 2026 09:00:00 GMT", now), 0);
  assert.equal(retryAfterSeconds("soon", now), undefined);
  assert.equal(retryAfterSeconds(null, now), undefined);
});

test("every request has a deadline, its body included", async () => {
  const quiet = await serving(silent);
  await assert.rejects(clientOf(quiet.url).cancel("g1", { timeoutMs: 50 }), TimeoutError);
  const half = await serving((response) => void response.writeHead(200).write("{"));
  await assert.rejects(clientOf(half.url, { timeoutMs: 50 }).cancel("g1"), TimeoutError);
});

test("an AbortSignal ends a request and the waits between tries, with its own reason", async () => {
  const quiet = await serving(silent);
  const control = new AbortController();
  const asked = clientOf(quiet.url).get("g1", { signal: control.signal });
  control.abort(new Error("the user left"));
  await assert.rejects(asked, { message: "the user left" });
  const busy = await serving(problem(503, "x", { retryable: true }));
  const late = new AbortController();
  const patience = { tries: 9, firstMs: 60_000, maxMs: 60_000 };
  const waiting = clientOf(busy.url, { patience }).get("g1", { signal: late.signal });
  setTimeout(() => late.abort(new Error("enough")), 50);
  await assert.rejects(waiting, { message: "enough" });
});

test("nobody there is typed, and says why", async () => {
  const patience = { tries: 1, firstMs: 1, maxMs: 1 };
  await assert.rejects(clientOf(await nobody(), { patience }).get("g1"), (error) => {
    assert.ok(error instanceof UnreachableError);
    assert.match(error.message, /GET \/api\/generations\/g1: /);
    return true;
  });
});

test("what is no JSON is not believed", async () => {
  const { url } = await serving((response) => void response.writeHead(200).end("<html>"));
  await assert.rejects(clientOf(url).cancel("g1"), { code: "unreachable", message: /no JSON/ });
});

test("a redirect is not followed: the key stays with whom it was meant for", async () => {
  const other = await serving(made);
  const { url } = await serving((response) => void response.writeHead(302, { location: other.url }).end());
  await assert.rejects(clientOf(url).cancel("g1"), UnreachableError);
  assert.equal(other.seen.length, 0);
});

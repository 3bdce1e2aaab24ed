import assert from "node:assert/strict";
import { test } from "node:test";
import { Ledger } from "../src/ledger.js";
import { backend, json, orchestrator, webhook } from "./support.js";

const KEY = "the key that no page may see";
const generation = { id: "g1", state: "running", last_seq: 3, metadata: { user: "ann" } };
const told = (state: string, charged: number) => ({
  type: `generation.${state}`,
  timestamp: "2026-03-02T10:00:00Z",
  data: { id: "g1", state, credits_charged: charged, credits_refund: 30 - charged, metadata: { user: "ann" } },
});

test("a wish goes on with the key, the user and the webhook of the backend", async () => {
  const { url, seen } = await orchestrator((response) => json(response, 201, generation));
  const { url: own, ask } = await backend(url, KEY);
  const wish = { prompt: "a ship", webhook_url: "https://evil.example", metadata: { page: "studio", user: "bob" } };
  const answer = await ask("POST", "/api/generations", wish, { "idempotency-key": "wish-1" });
  assert.equal(answer.status, 201);
  assert.deepEqual(await answer.json(), generation);
  assert.equal(seen[0]?.headers.authorization, `Bearer ${KEY}`);
  assert.equal(seen[0]?.headers["idempotency-key"], "ann:wish-1");
  const metadata = { page: "studio", user: "ann" };
  assert.deepEqual(seen[0]?.body, { prompt: "a ship", webhook_url: `${own}/webhooks/ltx2`, metadata });
});

test("the studio page's tasks go on as tasks", async () => {
  const { url, seen } = await orchestrator((response) => json(response, 201, { generations: [], credits: 60 }));
  const { url: own, ask } = await backend(url, KEY);
  const answer = await ask("POST", "/api/generations/studio/ai-video", { tasks: [{ prompt: "a" }, { prompt: "b" }] });
  assert.equal(answer.status, 201);
  const added = { webhook_url: `${own}/webhooks/ltx2`, metadata: { user: "ann" } };
  assert.deepEqual(seen[0]?.body, { tasks: [{ prompt: "a", ...added }, { prompt: "b", ...added }] });
});

test("somebody who is not signed in gets nowhere", async () => {
  const { url, seen } = await orchestrator((response) => json(response, 200, {}));
  const { url: own } = await backend(url, KEY);
  assert.equal((await fetch(`${own}/api/models`)).status, 401);
  assert.equal(seen.length, 0);
});

test("another user's generation is the same as none, to see, to cancel and to follow", async () => {
  const { url, seen } = await orchestrator((response) => json(response, 200, generation));
  const { ask } = await backend(url, KEY, undefined, "bob");
  for (const [method, path] of [["GET", ""], ["DELETE", ""], ["GET", "/events"]] as const) {
    const answer = await ask(method, `/api/generations/g1${path}`);
    assert.deepEqual([answer.status, ((await answer.json()) as { code: string }).code], [404, "not_found"]);
  }
  assert.ok(seen.every(({ method }) => method === "GET"));
});

test("a list shows the user's own generations", async () => {
  const theirs = { ...generation, id: "g2", metadata: { user: "bob" } };
  const { url, seen } = await orchestrator((response) => json(response, 200, { generations: [generation, theirs], next: 5 }));
  const { ask } = await backend(url, KEY);
  const page = await (await ask("GET", "/api/generations?limit=2&before=9")).json();
  assert.deepEqual(page, { generations: [generation], next: 5 });
  assert.equal(seen[0]?.url, "/api/generations?limit=2&before=9");
});

test("what the orchestrator refuses, the page is told; what is the backend's own fault, it is not", async () => {
  const errors = [{ field: "duration", message: "no", nearest: "10" }];
  let status = 422;
  const { url } = await orchestrator((response) => {
    const code = status === 401 ? "unauthorized" : "invalid_input";
    const body = { code, detail: "no", retryable: status === 429, errors };
    json(response, status, body, { "content-type": "application/problem+json", "retry-after": "9" });
  });
  const { ask } = await backend(url, KEY);
  const refused = await ask("POST", "/api/generations", { prompt: "x", duration: 11 });
  assert.equal(refused.headers.get("content-type"), "application/problem+json; charset=utf-8");
  const problem = (await refused.json()) as { code: string; errors: unknown };
  assert.deepEqual([refused.status, problem.code, problem.errors], [422, "invalid_input", errors]);
  status = 429;
  const busy = await ask("POST", "/api/quotes", { prompt: "x" });
  assert.deepEqual([busy.status, busy.headers.get("retry-after")], [429, "9"]);
  status = 401;
  const broken = await ask("GET", "/api/models");
  assert.equal(broken.status, 500);
  assert.doesNotMatch(await broken.text(), /unauthorized|key/);
});

test("while the orchestrator is away, the page is asked to come again", async () => {
  const { url } = await orchestrator((response) => response.destroy());
  const { ask } = await backend(url, KEY);
  const answer = await ask("GET", "/api/generations/g1");
  assert.deepEqual([answer.status, answer.headers.get("retry-after")], [503, "5"]);
});

test("a body that is none is refused, not a crash", async () => {
  const { url } = await orchestrator((response) => json(response, 422, { code: "invalid_input", detail: "no" }));
  const { url: own, ask } = await backend(url, KEY);
  const headers = { "x-user": "ann", "content-type": "application/json" };
  const nonsense = await fetch(`${own}/api/generations`, { method: "POST", headers, body: "{" });
  assert.equal(nonsense.status, 400);
  for (const body of [undefined, { tasks: 7 }, { tasks: [null] }, []]) {
    assert.equal((await ask("POST", "/api/generations", body)).status, 422);
  }
});

test("events are passed on from where the page was, and the end is the end", async () => {
  const { url, seen } = await orchestrator((response, { url: path }) => {
    if (!path.endsWith("/events")) return json(response, 200, generation);
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const [seq, type] of [[2, "progress"], [3, "generation.succeeded"]] as const) {
      response.write(`id: ${seq}\ndata: ${JSON.stringify({ seq, type })}\n\n`);
    }
    return undefined; // the line stays open: the end is known by the event
  });
  const { ask } = await backend(url, KEY);
  const answer = await ask("GET", "/api/generations/g1/events", undefined, { "last-event-id": "1" });
  const events = [...(await answer.text()).matchAll(/id: (\d)\nevent: (\S+)\n/g)].map(([, id, type]) => [id, type]);
  assert.deepEqual(events, [["2", "progress"], ["3", "generation.succeeded"]]);
  assert.equal(seen.at(-1)?.headers["last-event-id"], "1");
});

test("a webhook books once, however often it comes, also at the same time", async () => {
  const { url, ledger } = await backend("http://127.0.0.1:1", KEY);
  const booked: string[] = [];
  const book = ledger.book.bind(ledger);
  ledger.book = (booking) => {
    booked.push(booking.generation);
    book(booking);
  };
  const answers = await Promise.all([1, 2, 3].map(() => webhook(url, told("succeeded", 30), "msg_1")));
  assert.deepEqual(answers.map(({ status }) => status), [204, 204, 204]);
  assert.deepEqual(booked, ["g1"]);
  assert.deepEqual(ledger.of("ann"), [{ generation: "g1", user: "ann", state: "succeeded", charged: 30, refunded: 0 }]);
});

test("what nobody signed is not believed, and books nothing", async () => {
  const { url, ledger } = await backend("http://127.0.0.1:1", KEY);
  const other = `whsec_${Buffer.from("somebody else's secret").toString("base64")}`;
  assert.equal((await webhook(url, told("failed", 0), "msg_1", other)).status, 401);
  assert.equal((await fetch(`${url}/webhooks/ltx2`, { method: "POST" })).status, 401);
  assert.deepEqual(ledger.of("ann"), []);
});

test("progress is taken and books nothing", async () => {
  const { url, ledger } = await backend("http://127.0.0.1:1", KEY);
  assert.equal((await webhook(url, { ...told("running", 0), type: "generation.progress" })).status, 204);
  assert.deepEqual(ledger.of("ann"), []);
});

test("work that failed is done by the next delivery", async () => {
  const ledger = new Ledger();
  let tries = 0;
  const work = () => {
    tries += 1;
    if (tries === 1) throw new Error("the database is away");
  };
  await assert.rejects(ledger.once("msg_1", work), { message: "the database is away" });
  await ledger.once("msg_1", work);
  await ledger.once("msg_1", work);
  assert.equal(tries, 2);
});

// Against a real orchestrator on the local cloud: `tests/e2e/test_typescript_client.py` starts it and runs this.
import assert from "node:assert/strict";
import { test } from "node:test";
import { backend } from "../support.js";

const { LTX2_URL = "", LTX2_API_KEY = "", LTX2_WEBHOOK_SECRET = "" } = process.env;

test("a page makes a video through the backend, follows it, and the webhook books it", { timeout: 120_000 }, async () => {
  const { ask, ledger } = await backend(LTX2_URL, LTX2_API_KEY, LTX2_WEBHOOK_SECRET);
  let booked: () => void;
  const heard = new Promise<void>((resolve) => (booked = resolve));
  const book = ledger.book.bind(ledger);
  ledger.book = (booking) => {
    book(booking);
    booked();
  };
  const wish = { prompt: "a ship", resolution: "draft", duration: 1, spatial_upscale: false };
  const made = (await (await ask("POST", "/api/generations", wish, { "idempotency-key": "1" })).json()) as { id: string };
  const again = (await (await ask("POST", "/api/generations", wish, { "idempotency-key": "1" })).json()) as { id: string };
  assert.equal(again.id, made.id);
  const events = await (await ask("GET", `/api/generations/${made.id}/events`)).text();
  assert.match(events, /event: generation.succeeded\n/);
  const done = (await (await ask("GET", `/api/generations/${made.id}`)).json()) as { result: { video_url: string } };
  const video = await fetch(done.result.video_url);
  assert.equal(Buffer.from(await video.arrayBuffer()).subarray(4, 8).toString(), "ftyp");
  await heard;
  assert.deepEqual(ledger.of("ann"), [
    { generation: made.id, user: "ann", state: "succeeded", charged: 0, refunded: 0 }, // drafts are free
  ]);
  assert.equal((await ask("GET", `/api/generations/${made.id}/events`, undefined, { "last-event-id": "9999" })).status, 204);
});

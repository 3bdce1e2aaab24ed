// Against a real orchestrator on the local cloud: `tests/e2e/test_typescript_client.py` starts it and runs this.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo } from "node:net";
import { after, test } from "node:test";
import {
  type Generation,
  type GenerationRequest,
  Ltx2Client,
  type ProgressEvent,
  type UploadProgress,
  verifyWebhook,
  type Webhook,
  type WebhookMessage,
} from "@mivo/ltx2";
import { WebSocket } from "ws";

function given(name: string): string {
  const value = process.env[name];
  assert.ok(value, `${name} is not set`);
  return value;
}

const baseUrl = given("LTX2_URL");
const apiKey = given("LTX2_API_KEY");
const client = new Ltx2Client({ baseUrl, apiKey, followBy: "events" });
const bySocket = new Ltx2Client({ baseUrl, apiKey, WebSocket });

/** The local cloud alone has drafts, so the types do not know them. */
function draft(more: Partial<GenerationRequest> = {}): GenerationRequest {
  const size = { resolution: "draft", duration: 1 } as unknown as Pick<GenerationRequest, "resolution" | "duration">;
  return { prompt: "a lighthouse in the rain", spatial_upscale: false, ...size, ...more };
}

/** A receiver of webhooks that believes only what is signed. */
async function receiver(): Promise<{ url: string; about: (id: string) => Promise<Webhook<WebhookMessage>> }> {
  const taken = new Map<string, Webhook<WebhookMessage>>();
  let news: () => void = () => undefined;
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const secrets = [given("LTX2_WEBHOOK_SECRET")];
      verifyWebhook<WebhookMessage>({ secrets, headers: request.headers, body: Buffer.concat(parts) }).then(
        (webhook) => {
          taken.set(webhook.message.data.id, webhook);
          response.writeHead(204).end();
          news();
        },
        () => response.writeHead(401).end(),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhook`,
    async about(id) {
      for (;;) {
        const found = taken.get(id);
        if (found) return found;
        await new Promise<void>((resolve) => (news = resolve));
      }
    },
  };
}

async function ended(follower: Ltx2Client, id: string, seq = 0): Promise<ProgressEvent[]> {
  const events: ProgressEvent[] = [];
  for await (const event of follower.follow(id, { after: seq })) events.push(event);
  return events;
}

function numbers(events: readonly ProgressEvent[]): number[] {
  return events.map(({ seq }) => seq);
}

async function videoOf(generation: Generation): Promise<Buffer> {
  assert.equal(generation.state, "succeeded", JSON.stringify(generation.error));
  const answer = await fetch(generation.result?.video_url ?? "");
  assert.equal(answer.status, 200);
  return Buffer.from(await answer.arrayBuffer());
}

const IN_TIME = { timeout: 120_000 };

test("a prompt becomes a video, told step by step and by a webhook", IN_TIME, async () => {
  const hook = await receiver();
  const made = await client.create(draft({ webhook_url: hook.url, metadata: { user: "17" } }));
  const events = await ended(client, made.id);
  assert.deepEqual(numbers(events), events.map((_, index) => index + 1));
  assert.deepEqual([events[0]?.type, events.at(-1)?.type], ["generation.queued", "generation.succeeded"]);
  const done = await client.get(made.id);
  assert.equal((await videoOf(done)).subarray(4, 8).toString(), "ftyp");
  const { message } = await hook.about(made.id);
  assert.equal(message.type, "generation.succeeded");
  assert.deepEqual(message.data.metadata, { user: "17" });
  assert.equal(message.data.result?.sha256, done.result?.sha256);

  const socketEvents = await ended(bySocket, made.id);
  assert.deepEqual(socketEvents, events);
  const half = events[Math.floor(events.length / 2)]?.seq ?? 0;
  for (const follower of [client, bySocket]) {
    assert.deepEqual(numbers(await ended(follower, made.id, half)), numbers(events).slice(half));
    assert.deepEqual(await ended(follower, made.id, done.last_seq), []);
  }
});

test("an uploaded image becomes a video, followed live by a socket", IN_TIME, async () => {
  const image = new Blob([await readFile(given("LTX2_IMAGE"))], { type: "image/png" });
  const told: UploadProgress[] = [];
  const upload_id = await client.upload(image, { onProgress: (each) => told.push(each) });
  assert.equal(told.at(-1)?.sentBytes, image.size);
  const made = await client.create(draft({ upload_id, model: "ltx-2-i2v" }));
  assert.equal((await ended(bySocket, made.id)).at(-1)?.type, "generation.succeeded");
  await videoOf(await client.get(made.id));
});

test("one wish under one key is one video; another wish under it is refused", IN_TIME, async () => {
  const idempotencyKey = `wish-${process.pid}`;
  const first = await client.create(draft({ seed: 1 }), { idempotencyKey });
  const again = await client.create(draft({ seed: 1 }), { idempotencyKey });
  assert.equal(again.id, first.id);
  await assert.rejects(client.create(draft({ seed: 2 }), { idempotencyKey }), { code: "idempotency_conflict" });
  await client.cancel(first.id);
});

test("several tasks start together; canceling one tells followers and the webhook", IN_TIME, async () => {
  const hook = await receiver();
  const tasks = [draft({ webhook_url: hook.url, camera_lora: "dolly_in" }), draft({ webhook_url: hook.url })];
  const { generations, credits } = await client.createTasks(tasks);
  assert.deepEqual([generations.length, credits], [2, 0]);
  for (const { id } of generations) {
    const following = ended(client, id);
    const canceled = await client.cancel(id);
    assert.equal(canceled.state, "canceled");
    assert.equal((await following).at(-1)?.type, "generation.canceled");
    assert.equal((await hook.about(id)).message.type, "generation.canceled");
    await assert.rejects(client.cancel(id), { code: "already_ended", status: 409 });
  }
  const listed = await client.list({ limit: 100 });
  const states = new Map(listed.generations.map(({ id, state }) => [id, state]));
  for (const { id } of generations) assert.equal(states.get(id), "canceled");
});

test("prices and the model card", IN_TIME, async () => {
  const wish = { prompt: "x", quality: "pro", resolution: "1080p", duration: 20 } as const;
  assert.equal((await client.quote(wish)).credits, 120);
  assert.equal((await client.quoteTasks([wish, { prompt: "x" }])).credits, 150);
  const [card] = (await client.models()).models;
  assert.equal(card?.id, "ltx-2");
  assert.equal(card?.credits.find(({ quality, duration }) => quality === "fast" && duration === 10)?.credits, 30);
});

test("refusals are typed", IN_TIME, async () => {
  const wrong = { prompt: "x", duration: 11 } as unknown as GenerationRequest;
  await assert.rejects(client.create(wrong), (error: { code: string; fields: { field: string; nearest: string }[] }) => {
    assert.equal(error.code, "invalid_input");
    assert.deepEqual(error.fields.map(({ field, nearest }) => [field, nearest]), [["duration", "10"]]);
    return true;
  });
  const stranger = new Ltx2Client({ baseUrl, apiKey: "nobody", WebSocket }); // pragma: allowlist secret
  await assert.rejects(stranger.get("x"), { code: "unauthorized", status: 401 });
  await assert.rejects(ended(stranger, "x"), { code: "unauthorized" });
  await assert.rejects(ended(bySocket, "0".repeat(32)), { code: "not_found" });
});

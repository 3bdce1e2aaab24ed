import assert from "node:assert/strict";
import { test } from "node:test";
import type { UploadProgress } from "@mivo/ltx2";
import { clientOf, hangUp, json, problem, serving, silent } from "./support.js";

const picture = new Blob([new Uint8Array(200_000).fill(7)], { type: "image/png" });

const slotFor = (storage: string) =>
  json(201, { upload_id: "u1", method: "PUT", url: `${storage}/put?sig=1`, headers: { "content-type": "image/png" } });

test("an upload asks for a slot, sends exactly the bytes, and tells how far it is", async () => {
  const storage = await serving(json(200, {}));
  const { url, seen } = await serving(slotFor(storage.url));
  const told: UploadProgress[] = [];
  assert.equal(await clientOf(url).upload(picture, { onProgress: (each) => told.push(each) }), "u1");
  assert.deepEqual(JSON.parse(seen[0]?.body ?? ""), { media_type: "image/png", bytes: 200_000 });
  const [sent] = storage.seen;
  assert.deepEqual([sent?.method, sent?.url], ["PUT", "/put?sig=1"]);
  assert.equal(sent?.headers["content-length"], "200000"); // S3 takes no upload of unknown length
  assert.equal(sent?.headers["transfer-encoding"], undefined);
  assert.equal(sent?.headers["content-type"], "image/png");
  assert.equal(sent?.headers.authorization, undefined); // the key is none of the storage's business
  assert.equal(sent?.body.length, 200_000);
  const bytes = told.map(({ sentBytes }) => sentBytes);
  assert.deepEqual(bytes, [...bytes].sort((a, b) => a - b));
  assert.deepEqual([bytes[0], bytes.at(-1)], [0, 200_000]);
  assert.ok(bytes.length > 3);
});

test("a storage in trouble is tried again, from the start", async () => {
  const storage = await serving(hangUp, json(503, {}), json(200, {}));
  const { url, seen } = await serving(slotFor(storage.url));
  await clientOf(url).upload(picture);
  assert.deepEqual([seen.length, storage.seen.length], [1, 3]);
  assert.equal(storage.seen.at(-1)?.body.length, 200_000);
});

test("a refusal of the storage is final", async () => {
  const storage = await serving((response) => void response.writeHead(403).end("<Error/>"));
  const { url } = await serving(slotFor(storage.url));
  await assert.rejects(clientOf(url).upload(picture), { name: "ApiError", code: "upload_refused", status: 403 });
  assert.equal(storage.seen.length, 1);
});

test("what the API does not take never reaches the storage", async () => {
  const { url } = await serving(problem(422, "invalid_input"));
  await assert.rejects(clientOf(url).upload(picture, { mediaType: "image/webp" }), { code: "invalid_input" });
});

test("an upload has a deadline, and an AbortSignal ends it", async () => {
  const storage = await serving(silent);
  const { url } = await serving(slotFor(storage.url));
  const once = { patience: { tries: 1, firstMs: 1, maxMs: 1 } };
  await assert.rejects(clientOf(url, { ...once, uploadTimeoutMs: 50 }).upload(picture), { name: "TimeoutError" });
  const control = new AbortController();
  const onProgress = () => control.abort(new Error("the user left"));
  await assert.rejects(clientOf(url).upload(picture, { signal: control.signal, onProgress }), {
    message: "the user left",
  });
});

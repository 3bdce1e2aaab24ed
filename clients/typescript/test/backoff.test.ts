import assert from "node:assert/strict";
import { test } from "node:test";
import { sleep, waitMs } from "../src/backoff.js";

const patience = { tries: 5, firstMs: 100, maxMs: 500 };

test("waits double up to the longest, and half of each is drawn", () => {
  const shortest = [1, 2, 3, 4].map((failures) => waitMs(failures, patience, 0, () => 0));
  const longest = [1, 2, 3, 4].map((failures) => waitMs(failures, patience, 0, () => 1));
  assert.deepEqual(shortest, [50, 100, 200, 250]);
  assert.deepEqual(longest, [100, 200, 400, 500]);
});

test("the last failure is final", () => {
  assert.equal(waitMs(5, patience), undefined);
});

test("what the server asks for is the least, and too much is a refusal", () => {
  assert.equal(waitMs(1, patience, 400, () => 0), 400);
  assert.equal(waitMs(1, patience, 400, () => 1), 450);
  assert.equal(waitMs(1, patience, 501), undefined);
});

test("a sleep ends with the reason of its signal", async () => {
  const control = new AbortController();
  const sleeping = sleep(60_000, control.signal);
  control.abort(new Error("enough"));
  await assert.rejects(sleeping, { message: "enough" });
  await assert.rejects(sleep(60_000, control.signal), { message: "enough" });
});

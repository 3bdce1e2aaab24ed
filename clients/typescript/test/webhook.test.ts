import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";
import { verifyWebhook } from "@mivo/ltx2";

// Signed by the reference library (standardwebhooks 1.1 for Python) with its example secret.
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"; // pragma: allowlist secret
const BODY = '{"test": 2432232314}';
const AT = 1614265330;
const HEADERS = {
  "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", // pragma: allowlist secret
  "webhook-timestamp": String(AT),
  "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
};
const OTHER = `whsec_${Buffer.from("another secret of the test").toString("base64")}`;

const given = { secrets: [SECRET], headers: HEADERS, body: BODY, now: () => AT * 1000 };

function signed(secret: string, body: string): typeof HEADERS {
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const content = `${HEADERS["webhook-id"]}.${AT}.${body}`;
  return { ...HEADERS, "webhook-signature": `v1,${createHmac("sha256", key).update(content).digest("base64")}` };
}

test("what the reference library signed is believed, as text, as bytes and with Headers", async () => {
  const found = await verifyWebhook(given);
  assert.deepEqual(found, { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", message: { test: 2432232314 } }); // pragma: allowlist secret
  assert.deepEqual(await verifyWebhook({ ...given, body: Buffer.from(BODY) }), found);
  assert.deepEqual(await verifyWebhook({ ...given, headers: new Headers(HEADERS) }), found);
});

test("one of several secrets and one of several signatures are enough", async () => {
  await verifyWebhook({ ...given, secrets: [OTHER, SECRET] });
  const both = `${signed(OTHER, BODY)["webhook-signature"]} v1a,bm90IGZvciB1cw== ${HEADERS["webhook-signature"]}`;
  await verifyWebhook({ ...given, headers: { ...HEADERS, "webhook-signature": both } });
});

const wrong: Record<string, Partial<Parameters<typeof verifyWebhook>[0]>> = {
  "another body": { body: BODY.replace("2432232314", "2432232315") },
  "the same JSON, written anew": { body: '{"test":2432232314}' },
  "another secret": { secrets: [OTHER] },
  "no secret": { secrets: [] },
  "another id": { headers: { ...HEADERS, "webhook-id": "msg_other" } },
  "another timestamp": { headers: { ...HEADERS, "webhook-timestamp": String(AT + 1) } },
  "a timestamp that is none": { headers: { ...HEADERS, "webhook-timestamp": "1e9" } },
  "a message that is too old": { now: () => (AT + 301) * 1000 },
  "a message from the future": { now: () => (AT - 301) * 1000 },
  "a shorter tolerance": { now: () => (AT + 11) * 1000, toleranceSeconds: 10 },
  "no signature": { headers: { ...HEADERS, "webhook-signature": undefined } },
  "an empty signature": { headers: { ...HEADERS, "webhook-signature": "v1," } },
  "a signature that is no base64": { headers: { ...HEADERS, "webhook-signature": "v1,***" } },
  "half a signature": { headers: { ...HEADERS, "webhook-signature": HEADERS["webhook-signature"].slice(0, 20) } },
  "a version that nobody knows": { headers: { ...HEADERS, "webhook-signature": "v2,g0hM9SsE" } },
  "a header that came twice": { headers: { ...HEADERS, "webhook-id": ["a", "b"] } },
};

for (const [what, change] of Object.entries(wrong)) {
  test(`${what} is not believed`, async () => {
    await assert.rejects(verifyWebhook({ ...given, ...change }), {
      name: "WebhookVerificationError",
      code: "webhook_unverified",
    });
  });
}

test("signed nonsense is told from a message", async () => {
  const body = "no JSON";
  await assert.rejects(verifyWebhook({ ...given, body, headers: signed(SECRET, body) }), { message: /no JSON/ });
});

test("a secret that is none is the receiver's own mistake", async () => {
  await assert.rejects(verifyWebhook({ ...given, secrets: ["whsec_***"] }), TypeError);
});

"""What the OpenAPI document says before its operations."""

GUIDE = """
A prompt, and an image if there is one, becomes a video with sound.

**Keys.** Send `Authorization: Bearer <key>`. A key sees its own generations only, and belongs on a server, never in a
page.

**Repeat safely.** `POST /api/generations` takes an `Idempotency-Key`: whoever does not know whether a request arrived
sends it again with the same key, and gets the same generation, 200 instead of 201.

**Errors** are RFC 9457 problems (`application/problem+json`): `code` is for programs, `detail` for people, `errors`
names each field with what is `legal` and what is `nearest`. `retryable` says whether the same request may work later;
429 and 503 say when, in `Retry-After` (seconds). A generation that fails or is canceled gives its credits back:
`credits_refund`.

**Follow** a generation by one of three ways, which all tell the same events (`ProgressEvent`), numbered 1, 2, 3 ...
within the generation; whoever comes back with the last number that they saw misses nothing, on any replica.

- `WS /api/generations/{generation_id}/progress?after=SEQ`: one JSON object a message, and `{"type": "heartbeat"}`
  every 30 seconds. Where headers cannot be set, offer the subprotocols `ltx2.progress` and `bearer.<key>`. Close code
  1000: it has ended, and all has been told. 1012: come again with `?after=`.
- `GET /api/generations/{generation_id}/events`: the same as server-sent events.
- `GET /api/generations/{generation_id}`: how it stands now.

A stage that waits for a GPU is `submitted`; RunPod names no place in its queue, so none is told.

**Early look.** Where more stages follow the first one, a small clip of it comes long before the video: the event
`early_look`, and `early_look` in `GET`. It may be missing, and nothing waits for it; `early_look: false` leaves it
out.

**Webhooks.** A `webhook_url` is told how its generation ended, signed as
[Standard Webhooks](https://www.standardwebhooks.com) says, at least once: know a repetition by its `webhook-id`. It
may come before the answer that names the generation's id, and late: `GET` is the truth. By settings of the
orchestrator, progress is told too (`WEBHOOK_PROGRESS`), or the end in the body of RunPod's own webhooks
(`WEBHOOK_SHAPE`).
""".strip()

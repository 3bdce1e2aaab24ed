-- The rows of a generation. procrastinate's own tables stand beside these; `python -m orchestrator migrate` makes both.

CREATE TABLE generations (
    id             text PRIMARY KEY CHECK (id ~ '^[0-9a-f]{32}$'),
    number         bigint GENERATED ALWAYS AS IDENTITY UNIQUE, -- order of creation, for paging
    owner          text NOT NULL,                              -- name of the API key that asked
    state          text NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'canceled')),
    request        jsonb NOT NULL,
    plan           jsonb NOT NULL,
    image          jsonb,                                      -- the artifact of the input image
    credits        integer NOT NULL CHECK (credits >= 0),
    credits_refund integer CHECK (credits_refund BETWEEN 0 AND credits),
    error          jsonb,
    last_seq       bigint NOT NULL DEFAULT 0,                  -- of its events
    created_at     timestamptz NOT NULL DEFAULT now(),
    finished_at    timestamptz,
    CHECK ((finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'canceled'))),
    CHECK ((credits_refund IS NOT NULL) = (finished_at IS NOT NULL))
);
CREATE INDEX generations_of_owner ON generations (owner, number DESC);

CREATE TABLE stage_runs (
    id            text PRIMARY KEY CHECK (id ~ '^[0-9a-f]{32}$'), -- also the attempt_id in the stage's input
    number        bigint GENERATED ALWAYS AS IDENTITY UNIQUE,   -- order of creation
    generation_id text NOT NULL REFERENCES generations ON DELETE CASCADE,
    stage         text NOT NULL,
    attempt       integer NOT NULL CHECK (attempt >= 1),
    state         text NOT NULL CHECK (state IN ('pending', 'submitted', 'running', 'succeeded', 'failed', 'lost',
                                                 'timed_out', 'canceled')),
    repair        boolean NOT NULL DEFAULT false,
    token         text NOT NULL,                                -- in the callback URL that RunPod gets
    runpod_id     text,
    stage_key     text,
    progress      real NOT NULL DEFAULT 0,
    reused        boolean NOT NULL DEFAULT false,               -- the manifest was there before: nothing was rendered
    manifest      jsonb,
    error         jsonb,
    created_at    timestamptz NOT NULL DEFAULT now(),
    submitted_at  timestamptz,
    started_at    timestamptz,
    finished_at   timestamptz,
    deadline_at   timestamptz NOT NULL,                         -- of the present state
    next_poll_at  timestamptz NOT NULL,
    UNIQUE (generation_id, stage, attempt)
);
CREATE UNIQUE INDEX stage_runs_one_live ON stage_runs (generation_id)
    WHERE state IN ('pending', 'submitted', 'running');
CREATE INDEX stage_runs_due ON stage_runs (next_poll_at)
    WHERE state IN ('pending', 'submitted', 'running');

CREATE TABLE events (
    generation_id text NOT NULL REFERENCES generations ON DELETE CASCADE,
    seq           bigint NOT NULL,
    at            timestamptz NOT NULL DEFAULT now(),
    type          text NOT NULL,
    data          jsonb NOT NULL,
    PRIMARY KEY (generation_id, seq)
);

CREATE TABLE deliveries (
    id            text PRIMARY KEY,                             -- the webhook-id header
    generation_id text NOT NULL UNIQUE REFERENCES generations ON DELETE CASCADE, -- announced once
    state         text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
    tries         integer NOT NULL DEFAULT 0,
    last_answer   text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    finished_at   timestamptz
);

CREATE TABLE idempotency_keys (
    owner         text NOT NULL,
    key           text NOT NULL,
    body_sha256   text NOT NULL,
    generation_id text NOT NULL REFERENCES generations ON DELETE CASCADE,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (owner, key)
);

CREATE TABLE uploads (
    id         text PRIMARY KEY CHECK (id ~ '^[0-9a-f]{32}$'),
    owner      text NOT NULL,
    key        text NOT NULL,
    media_type text NOT NULL,
    bytes      bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

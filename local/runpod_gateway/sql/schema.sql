-- Idempotent: runs at every start. One lock, so that two gateways starting together do not trip over each other.
SELECT pg_advisory_xact_lock(7150223301);

CREATE SCHEMA IF NOT EXISTS runpod_gateway;

-- Columns up to `webhook` are the fields of states.Job, in the same words.
-- `json`, not `jsonb`: payloads come back as they were sent, and a NUL in a string is no error.
CREATE TABLE IF NOT EXISTS runpod_gateway.jobs (
    id                   text PRIMARY KEY,
    endpoint             text NOT NULL,
    sync                 boolean NOT NULL,
    state                text NOT NULL,
    created_at           timestamptz NOT NULL,
    queued_at            timestamptz NOT NULL,
    not_before           timestamptz NOT NULL,
    expires_at           timestamptz NOT NULL,
    execution_timeout_ms bigint NOT NULL,
    ttl_ms               bigint NOT NULL,
    attempts             integer NOT NULL,
    retries              integer NOT NULL,
    worker               text,
    session              text,
    lease_until          timestamptz,
    started_at           timestamptz,
    finished_at          timestamptz,
    duplicate_due        boolean NOT NULL,
    shadow_worker        text,
    shadow_session       text,
    webhook              text,
    input                json NOT NULL,
    output               json,
    error                json
);
CREATE INDEX IF NOT EXISTS jobs_queue ON runpod_gateway.jobs (endpoint, created_at, id)
    WHERE state IN ('IN_QUEUE', 'IN_PROGRESS');
CREATE INDEX IF NOT EXISTS jobs_ended ON runpod_gateway.jobs (finished_at)
    WHERE state NOT IN ('IN_QUEUE', 'IN_PROGRESS');
CREATE INDEX IF NOT EXISTS jobs_endpoint ON runpod_gateway.jobs (endpoint, created_at);

-- Chunks of generator handlers that /stream has not handed out yet.
CREATE TABLE IF NOT EXISTS runpod_gateway.chunks (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id text NOT NULL REFERENCES runpod_gateway.jobs (id) ON DELETE CASCADE,
    output json
);
CREATE INDEX IF NOT EXISTS chunks_job ON runpod_gateway.chunks (job_id, id);

CREATE TABLE IF NOT EXISTS runpod_gateway.workers (
    endpoint      text NOT NULL,
    worker        text NOT NULL,
    session       text NOT NULL,
    past_sessions text[] NOT NULL DEFAULT '{}',
    seen_at       timestamptz NOT NULL,
    suspect       boolean NOT NULL DEFAULT false,
    leaving_until timestamptz,
    unhealthy     text,
    PRIMARY KEY (endpoint, worker)
);

-- Stop signals that no job-stop poll has fetched yet.
CREATE TABLE IF NOT EXISTS runpod_gateway.stops (
    endpoint   text NOT NULL,
    worker     text NOT NULL,
    session    text NOT NULL,
    job_id     text NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (endpoint, worker, session, job_id)
);

-- Outgoing webhooks: the content of /status at the moment the job ended.
CREATE TABLE IF NOT EXISTS runpod_gateway.webhooks (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id  text NOT NULL,
    url     text NOT NULL,
    body    json NOT NULL,
    tries   integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS webhooks_due ON runpod_gateway.webhooks (next_at);

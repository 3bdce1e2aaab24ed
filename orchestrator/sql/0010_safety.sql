-- Limits per API key, and how often a callback may hurry the poller. Old code runs on beside all of this.

-- A token bucket as one time: when it will be full again. Unlogged: after a crash every bucket is full, which is fine.
CREATE UNLOGGED TABLE rate_limits (
    owner   text PRIMARY KEY,
    full_at timestamptz NOT NULL
);

CREATE INDEX generations_live_of_owner ON generations (owner) WHERE state IN ('queued', 'running');

ALTER TABLE stage_runs ADD COLUMN hinted_at timestamptz; -- the look that RunPod's last callback brought about

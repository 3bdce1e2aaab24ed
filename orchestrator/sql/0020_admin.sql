-- For the admin page: what ended lately, and what went wrong. All but the first are written to only when something does.
CREATE INDEX stage_runs_ended ON stage_runs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX stage_runs_with_error ON stage_runs (finished_at) WHERE error IS NOT NULL;
CREATE INDEX stage_runs_of_code ON stage_runs ((error ->> 'code'), finished_at) WHERE error IS NOT NULL;
CREATE INDEX generations_not_made ON generations (state, number) WHERE state IN ('failed', 'canceled');
CREATE INDEX deliveries_dead ON deliveries (finished_at) WHERE state = 'dead';

ALTER TABLE stage_runs ADD COLUMN endpoint text; -- at RunPod, that the run goes to; NULL: not submitted yet, to the usual one

-- for the prune: by age, and for the cascade from generations
CREATE INDEX generations_ended ON generations (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX idempotency_keys_of_generation ON idempotency_keys (generation_id);

ALTER TABLE generations ADD COLUMN progress_told integer NOT NULL DEFAULT 0; -- progress webhooks that were queued for it

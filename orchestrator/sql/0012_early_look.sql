ALTER TABLE generations ADD COLUMN early_look jsonb; -- the artifact, once it is there

ALTER TABLE generations ADD COLUMN control jsonb; -- the artifact that a control follows: a user's video, or the input image

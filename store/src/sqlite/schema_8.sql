-- By whom and since when a job is paused, as JSON.
ALTER TABLE job ADD COLUMN paused TEXT;

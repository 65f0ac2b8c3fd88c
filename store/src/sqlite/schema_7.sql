-- The queue that a job which runs is being moved to. It has no row of its own in an index: who looks for such jobs has them in memory.
ALTER TABLE job ADD COLUMN moves_to TEXT;

-- The queue that a job is in, and what queues are. NULL: "default".
ALTER TABLE job ADD COLUMN queue TEXT;
CREATE INDEX job_queue ON job (queue) WHERE queue IS NOT NULL;
CREATE TABLE queue (name TEXT PRIMARY KEY, queue TEXT NOT NULL) WITHOUT ROWID;

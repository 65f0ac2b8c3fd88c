-- Lists that people ask for come from an index, whatever else is newer.
CREATE INDEX job_succeeded ON job (id) WHERE state = 7;
CREATE INDEX job_zero ON job (id) WHERE exit_status = 0 AND state <> 7;
CREATE INDEX job_runner ON job (runner) WHERE runner IS NOT NULL;

-- The earliest moment at which one between this mark and the one below it was submitted; the largest number: there is none.
ALTER TABLE mark ADD COLUMN earliest INTEGER NOT NULL DEFAULT 0;
UPDATE mark SET earliest = ifnull((
    SELECT min(submitted_at) FROM job WHERE id < mark.job
    AND id >= ifnull((SELECT max(lower.job) FROM mark AS lower WHERE lower.job < mark.job), 0)
), 9223372036854775807);

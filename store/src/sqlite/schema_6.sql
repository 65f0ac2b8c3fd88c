-- What people call a job and whom it runs as: computed of the JSON that has them, so that a file of many jobs is not written anew for
-- it, and indexed for those that have some. That the name of a field is there is looked for first: it costs a tenth of reading the
-- JSON, and few jobs have them. What is no JSON any more has neither.
ALTER TABLE spec ADD COLUMN name TEXT GENERATED ALWAYS AS
    (CASE WHEN instr(spec, '"name":"') AND json_valid(spec) THEN json_extract(spec, '$.name') END) VIRTUAL;
ALTER TABLE spec ADD COLUMN user TEXT GENERATED ALWAYS AS
    (CASE WHEN instr(spec, '"user":"') AND json_valid(spec) THEN json_extract(spec, '$.work.user') END) VIRTUAL;
CREATE INDEX spec_name ON spec (name) WHERE name IS NOT NULL;
CREATE INDEX spec_user ON spec (user) WHERE user IS NOT NULL;

-- Why it ended, where it is pinned, when it finished. Those that ended well are found as succeeded ones.
CREATE INDEX job_reason ON job (reason) WHERE reason <> 0;
CREATE INDEX job_ok ON job (id) WHERE reason = 0 AND state <> 7;
CREATE INDEX job_host ON job (host) WHERE host IS NOT NULL;
CREATE INDEX job_finished ON job (finished_at) WHERE finished_at IS NOT NULL;

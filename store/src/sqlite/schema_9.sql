-- What schedules are, as JSON, which is long and seldom written.
CREATE TABLE schedule (name TEXT PRIMARY KEY, schedule TEXT NOT NULL) WITHOUT ROWID;
-- Where they stand: short, since it is written at every firing. None of its firings was due after `latest`, so that a schedule which
-- nobody set back is loaded without a look at them.
CREATE TABLE stand (
    schedule TEXT PRIMARY KEY,
    cursor INTEGER NOT NULL,
    latest INTEGER NOT NULL,
    stand TEXT NOT NULL                 -- JSON
) WITHOUT ROWID;

-- What became of each moment at which a schedule fires. The key is what keeps a moment from having two jobs.
CREATE TABLE firing (
    schedule TEXT,
    due INTEGER,
    last INTEGER NOT NULL,
    count INTEGER NOT NULL,
    at INTEGER NOT NULL,
    fate INTEGER NOT NULL,              -- place in Fate::ALL
    job INTEGER,
    who TEXT,
    detail TEXT,
    PRIMARY KEY (schedule, due)
) WITHOUT ROWID;
-- Those that wait, which are few, and those that are forgotten by their age, which is in the order in which they are written.
CREATE INDEX firing_waiting ON firing (schedule, due) WHERE fate = 1;
CREATE INDEX firing_at ON firing (at) WHERE fate <> 1;

-- The schedule that a job is a firing of, as names are computed and indexed.
ALTER TABLE spec ADD COLUMN schedule TEXT GENERATED ALWAYS AS
    (CASE WHEN instr(spec, '"firing":{"schedule":"') AND json_valid(spec) THEN json_extract(spec, '$.firing.schedule') END) VIRTUAL;
CREATE INDEX spec_schedule ON spec (schedule) WHERE schedule IS NOT NULL;

-- Numbers that must outlive the rows they come from.
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('life', 0), ('last_job', 0), ('last_event', 0);

-- What changes about a job, and what it is found by. Moments are milliseconds since the epoch.
CREATE TABLE job (
    id INTEGER PRIMARY KEY,
    submitted_at INTEGER NOT NULL,
    tenant TEXT,                        -- NULL: "default"
    identity INTEGER NOT NULL,          -- a hash; the words are in the spec
    state INTEGER NOT NULL,             -- place in JobState::ALL
    reason INTEGER,                     -- place in Reason::ALL
    due INTEGER,
    host TEXT,
    attempts INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    runner TEXT,
    leased_at INTEGER,
    started_at INTEGER,
    finished_at INTEGER,
    exit_status INTEGER,
    signal INTEGER,
    kill INTEGER NOT NULL
);
CREATE INDEX job_state ON job (state) WHERE state <> 7;
CREATE INDEX job_identity ON job (identity);
CREATE INDEX job_tenant ON job (tenant) WHERE tenant IS NOT NULL;
CREATE INDEX job_ending ON job (id) WHERE exit_status <> 0 OR signal IS NOT NULL;

-- What never changes about it.
CREATE TABLE spec (job INTEGER PRIMARY KEY, spec TEXT NOT NULL);
CREATE TABLE tag (tag TEXT, job INTEGER, PRIMARY KEY (tag, job)) WITHOUT ROWID;
CREATE TABLE payload (sha256 TEXT, job INTEGER, PRIMARY KEY (sha256, job)) WITHOUT ROWID;

-- Of every thousandth job: the latest moment at which one below it was submitted.
CREATE TABLE mark (job INTEGER PRIMARY KEY, latest INTEGER NOT NULL);

CREATE TABLE attempt (
    job INTEGER,
    attempt INTEGER,
    fence INTEGER NOT NULL,
    runner TEXT NOT NULL,
    leased_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    reason INTEGER,                     -- NULL: it has not ended
    exit_status INTEGER,
    signal INTEGER,
    detail TEXT,
    ran INTEGER NOT NULL,               -- nanoseconds
    user_us INTEGER NOT NULL,
    system_us INTEGER NOT NULL,
    rss_max INTEGER NOT NULL,
    written INTEGER NOT NULL,
    file INTEGER NOT NULL,
    whole BLOB,                         -- BLOB: the bytes; TEXT: what is not their base64
    head TEXT,
    tail TEXT,
    PRIMARY KEY (job, attempt)
) WITHOUT ROWID;

CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    job INTEGER,
    who TEXT,
    detail TEXT                         -- NULL: ""
);

CREATE TABLE key (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    request TEXT NOT NULL,
    jobs TEXT NOT NULL,                 -- a JSON list
    at INTEGER NOT NULL
);

CREATE TABLE token (name TEXT PRIMARY KEY, token TEXT NOT NULL) WITHOUT ROWID;

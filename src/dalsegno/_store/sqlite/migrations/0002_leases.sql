-- compatible from: 1
-- Leases, the queue of runs, and limits of concurrency.

ALTER TABLE process ADD COLUMN lease INTEGER NOT NULL DEFAULT 30000000;

-- One row: when a server last served those who hold leases.
CREATE TABLE availability (
    id INTEGER NOT NULL PRIMARY KEY,     -- 1
    last_served INTEGER NOT NULL,
    gap INTEGER NOT NULL,                -- a longer silence than this is an outage
    unavailable_until INTEGER NOT NULL   -- the end of the last outage
);

-- Runs that were asked for, rather than called: how they are to be executed, and who does. As long as the run.
CREATE TABLE run_request (
    flow_run_id BLOB NOT NULL PRIMARY KEY,
    priority INTEGER NOT NULL,
    on_crash TEXT NOT NULL,              -- resume or fail
    max_recoveries INTEGER NOT NULL,
    recovery_delay INTEGER NOT NULL,
    recoveries INTEGER NOT NULL,
    attempt INTEGER NOT NULL,            -- the last one that was handed out
    holder TEXT,                         -- who claimed it; NULL: nobody
    renewed INTEGER                      -- when the lease of the claim was last renewed
) WITHOUT ROWID;
CREATE INDEX run_request_claimed ON run_request (renewed) WHERE holder IS NOT NULL;

-- What waits to be claimed; a claim deletes the row.
CREATE TABLE ready (
    flow_run_id BLOB NOT NULL PRIMARY KEY,
    priority INTEGER NOT NULL,           -- higher goes first
    due INTEGER NOT NULL                 -- not before
) WITHOUT ROWID;
CREATE INDEX ready_in_order ON ready (priority DESC, due, flow_run_id);

CREATE TABLE concurrency_limit (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,                  -- global or tag
    name TEXT NOT NULL,
    slots INTEGER NOT NULL,
    active INTEGER NOT NULL,             -- 0: it limits nothing
    slot_decay REAL NOT NULL,            -- slots a second that are given back by themselves, for rate limits
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX concurrency_limit_by_name ON concurrency_limit (kind, name);

-- A slot belongs to a lease: its own, and that of the process (and the root run) which holds it.
CREATE TABLE slot_holder (
    id BLOB NOT NULL,                    -- of the acquisition, which may be of several limits
    limit_id BLOB NOT NULL,
    key TEXT NOT NULL,                   -- a limit is one for each key; '': without keys
    slots INTEGER NOT NULL,
    holder TEXT NOT NULL,
    process_id BLOB NOT NULL,
    root_run_id BLOB,
    task_run_id BLOB,
    acquired INTEGER NOT NULL,
    renewed INTEGER NOT NULL,
    lease INTEGER,                       -- NULL: that of the process alone
    PRIMARY KEY (id, limit_id)
) WITHOUT ROWID;
CREATE INDEX slot_holder_by_limit ON slot_holder (limit_id, key);
CREATE INDEX slot_holder_by_process ON slot_holder (process_id);
CREATE INDEX slot_holder_by_root ON slot_holder (root_run_id) WHERE root_run_id IS NOT NULL;

CREATE TABLE slot_waiter (
    id BLOB NOT NULL,
    limit_id BLOB NOT NULL,
    key TEXT NOT NULL,
    since INTEGER NOT NULL,              -- first come, first served
    asked INTEGER NOT NULL,              -- who has not asked for long does not wait any more
    process_id BLOB NOT NULL,
    PRIMARY KEY (id, limit_id)
) WITHOUT ROWID;
CREATE INDEX slot_waiter_in_order ON slot_waiter (limit_id, key, since, id);
CREATE INDEX slot_waiter_by_process ON slot_waiter (process_id);

-- How far a limit with decay was used up at some time.
CREATE TABLE slot_use (
    limit_id BLOB NOT NULL,
    key TEXT NOT NULL,
    used REAL NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (limit_id, key)
) WITHOUT ROWID;

-- down

DROP TABLE slot_use;
DROP TABLE slot_waiter;
DROP TABLE slot_holder;
DROP TABLE concurrency_limit;
DROP TABLE ready;
DROP TABLE run_request;
DROP TABLE availability;
ALTER TABLE process DROP COLUMN lease;

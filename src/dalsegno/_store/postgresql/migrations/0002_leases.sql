-- compatible from: 1
-- Leases, the queue of runs, and limits of concurrency.

ALTER TABLE process ADD COLUMN lease bigint NOT NULL DEFAULT 30000000;

-- One row: when a server last served those who hold leases.
CREATE TABLE availability (
    id bigint NOT NULL PRIMARY KEY,     -- 1
    last_served bigint NOT NULL,
    gap bigint NOT NULL,                -- a longer silence than this is an outage
    unavailable_until bigint NOT NULL   -- the end of the last outage
);

-- Runs that were asked for, rather than called: how they are to be executed, and who does. As long as the run.
CREATE TABLE run_request (
    flow_run_id bytea NOT NULL PRIMARY KEY,
    priority bigint NOT NULL,
    on_crash text NOT NULL,              -- resume or fail
    max_recoveries bigint NOT NULL,
    recovery_delay bigint NOT NULL,
    recoveries bigint NOT NULL,
    attempt bigint NOT NULL,            -- the last one that was handed out
    holder text,                         -- who claimed it; NULL: nobody
    renewed bigint                      -- when the lease of the claim was last renewed
);
CREATE INDEX run_request_claimed ON run_request (renewed) WHERE holder IS NOT NULL;

-- What waits to be claimed; a claim deletes the row.
CREATE TABLE ready (
    flow_run_id bytea NOT NULL PRIMARY KEY,
    priority bigint NOT NULL,           -- higher goes first
    due bigint NOT NULL                 -- not before
);
CREATE INDEX ready_in_order ON ready (priority DESC, due, flow_run_id);

CREATE TABLE concurrency_limit (
    id bytea NOT NULL PRIMARY KEY,
    kind text NOT NULL,                  -- global or tag
    name text COLLATE "C" NOT NULL,
    slots bigint NOT NULL,
    active bigint NOT NULL,             -- 0: it limits nothing
    slot_decay double precision NOT NULL,            -- slots a second that are given back by themselves, for rate limits
    created bigint NOT NULL,
    updated bigint NOT NULL
);
CREATE UNIQUE INDEX concurrency_limit_by_name ON concurrency_limit (kind, name);

-- A slot belongs to a lease: its own, and that of the process (and the root run) which holds it.
CREATE TABLE slot_holder (
    id bytea NOT NULL,                    -- of the acquisition, which may be of several limits
    limit_id bytea NOT NULL,
    key text COLLATE "C" NOT NULL,                   -- a limit is one for each key; '': without keys
    slots bigint NOT NULL,
    holder text NOT NULL,
    process_id bytea NOT NULL,
    root_run_id bytea,
    task_run_id bytea,
    acquired bigint NOT NULL,
    renewed bigint NOT NULL,
    lease bigint,                       -- NULL: that of the process alone
    PRIMARY KEY (id, limit_id)
);
CREATE INDEX slot_holder_by_limit ON slot_holder (limit_id, key);
CREATE INDEX slot_holder_by_process ON slot_holder (process_id);
CREATE INDEX slot_holder_by_root ON slot_holder (root_run_id) WHERE root_run_id IS NOT NULL;

CREATE TABLE slot_waiter (
    id bytea NOT NULL,
    limit_id bytea NOT NULL,
    key text COLLATE "C" NOT NULL,
    since bigint NOT NULL,              -- first come, first served
    asked bigint NOT NULL,              -- who has not asked for long does not wait any more
    process_id bytea NOT NULL,
    PRIMARY KEY (id, limit_id)
);
CREATE INDEX slot_waiter_in_order ON slot_waiter (limit_id, key, since, id);
CREATE INDEX slot_waiter_by_process ON slot_waiter (process_id);

-- How far a limit with decay was used up at some time.
CREATE TABLE slot_use (
    limit_id bytea NOT NULL,
    key text COLLATE "C" NOT NULL,
    used double precision NOT NULL,
    used_at bigint NOT NULL,
    PRIMARY KEY (limit_id, key)
);

-- down

DROP TABLE slot_use;
DROP TABLE slot_waiter;
DROP TABLE slot_holder;
DROP TABLE concurrency_limit;
DROP TABLE ready;
DROP TABLE run_request;
DROP TABLE availability;
ALTER TABLE process DROP COLUMN lease;

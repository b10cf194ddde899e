-- compatible from: 2
-- Deployments, their versions and schedules, work pools with their queues, and workers.

CREATE TABLE work_pool (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    description TEXT,
    base_job_template TEXT NOT NULL,     -- JSON
    concurrency_limit INTEGER,           -- NULL: none
    paused INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE work_queue (
    id BLOB NOT NULL PRIMARY KEY,
    pool_id BLOB NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    priority INTEGER NOT NULL,           -- 1 goes first
    concurrency_limit INTEGER,
    paused INTEGER NOT NULL,
    last_polled INTEGER,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX work_queue_by_name ON work_queue (pool_id, name);

CREATE TABLE deployment (
    id BLOB NOT NULL PRIMARY KEY,
    flow_name TEXT NOT NULL,
    name TEXT NOT NULL,
    said BLOB NOT NULL,                  -- DeploymentSpec as msgpack: what was deployed last
    spec BLOB NOT NULL,                  -- ... with what was changed by hand since
    version_number INTEGER NOT NULL,
    queue_id BLOB,                       -- NULL: for whoever serves it
    concurrency_limit INTEGER,           -- of spec, for the queue
    collision_strategy TEXT NOT NULL,
    start_rate REAL,                     -- runs a minute; NULL: no limit
    next_start INTEGER,                  -- not before, by that rate
    paused INTEGER NOT NULL,
    problem TEXT,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX deployment_by_name ON deployment (flow_name, name);
CREATE INDEX deployment_by_queue ON deployment (queue_id) WHERE queue_id IS NOT NULL;
CREATE INDEX deployment_limited ON deployment (id) WHERE concurrency_limit IS NOT NULL OR start_rate IS NOT NULL;

CREATE TABLE deployment_version (
    deployment_id BLOB NOT NULL,
    number INTEGER NOT NULL,
    said BLOB NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (deployment_id, number)
) WITHOUT ROWID;

CREATE TABLE schedule (
    id BLOB NOT NULL PRIMARY KEY,
    deployment_id BLOB NOT NULL,
    slug TEXT,
    spec BLOB NOT NULL,                  -- ScheduleSpec as msgpack
    said BLOB,                           -- ... as it was deployed last; NULL: it was made by hand
    next_tick INTEGER,                   -- NULL: paused, or over
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX schedule_by_deployment ON schedule (deployment_id, id);
CREATE INDEX schedule_due ON schedule (next_tick) WHERE next_tick IS NOT NULL;

-- By which wish a run was asked for: the same wish is not granted twice. As long as the run.
CREATE TABLE run_key (
    key BLOB NOT NULL PRIMARY KEY,       -- hash of the deployment and the key
    flow_run_id BLOB NOT NULL,
    deployment_id BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX run_key_by_run ON run_key (flow_run_id);

CREATE TABLE worker (
    process_id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    pool_id BLOB,                        -- NULL: it serves deployments of its own
    record BLOB NOT NULL,                -- WorkerRecord as msgpack
    started INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    lease INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX worker_by_pool ON worker (pool_id, last_seen) WHERE pool_id IS NOT NULL;

CREATE TABLE served_deployment (
    deployment_id BLOB NOT NULL,
    process_id BLOB NOT NULL,
    PRIMARY KEY (deployment_id, process_id)
) WITHOUT ROWID;

ALTER TABLE flow_run ADD COLUMN deployment_id BLOB;
CREATE INDEX flow_run_by_deployment ON flow_run (deployment_id, id) WHERE deployment_id IS NOT NULL;

ALTER TABLE run_request ADD COLUMN deployment_id BLOB;
ALTER TABLE run_request ADD COLUMN version_number INTEGER;
ALTER TABLE run_request ADD COLUMN queue_id BLOB;
ALTER TABLE run_request ADD COLUMN concurrency_key TEXT;
ALTER TABLE run_request ADD COLUMN job_variables TEXT;
ALTER TABLE run_request ADD COLUMN schedule_id BLOB;
ALTER TABLE run_request ADD COLUMN parent_flow_run_id BLOB;
CREATE INDEX run_request_in_queue ON run_request (queue_id) WHERE holder IS NOT NULL AND queue_id IS NOT NULL;
CREATE INDEX run_request_of_deployment ON run_request (deployment_id, concurrency_key)
    WHERE holder IS NOT NULL AND deployment_id IS NOT NULL;

ALTER TABLE ready ADD COLUMN queue_id BLOB;
ALTER TABLE ready ADD COLUMN deployment_id BLOB;
ALTER TABLE ready ADD COLUMN concurrency_key TEXT;
ALTER TABLE ready ADD COLUMN late INTEGER NOT NULL DEFAULT 0;
DROP INDEX ready_in_order;
CREATE INDEX ready_in_order ON ready (queue_id, priority DESC, due, flow_run_id);
CREATE INDEX ready_of_deployment ON ready (deployment_id, priority DESC, due) WHERE deployment_id IS NOT NULL;
CREATE INDEX ready_with_key ON ready (queue_id) WHERE concurrency_key IS NOT NULL;
CREATE INDEX ready_not_late ON ready (due) WHERE late = 0;

-- down

DROP INDEX ready_not_late;
DROP INDEX ready_with_key;
DROP INDEX ready_of_deployment;
DROP INDEX ready_in_order;
CREATE INDEX ready_in_order ON ready (priority DESC, due, flow_run_id);
ALTER TABLE ready DROP COLUMN late;
ALTER TABLE ready DROP COLUMN concurrency_key;
ALTER TABLE ready DROP COLUMN deployment_id;
ALTER TABLE ready DROP COLUMN queue_id;
DROP INDEX run_request_of_deployment;
DROP INDEX run_request_in_queue;
ALTER TABLE run_request DROP COLUMN parent_flow_run_id;
ALTER TABLE run_request DROP COLUMN schedule_id;
ALTER TABLE run_request DROP COLUMN job_variables;
ALTER TABLE run_request DROP COLUMN concurrency_key;
ALTER TABLE run_request DROP COLUMN queue_id;
ALTER TABLE run_request DROP COLUMN version_number;
ALTER TABLE run_request DROP COLUMN deployment_id;
DROP INDEX flow_run_by_deployment;
ALTER TABLE flow_run DROP COLUMN deployment_id;
DROP TABLE served_deployment;
DROP TABLE worker;
DROP TABLE run_key;
DROP TABLE schedule;
DROP TABLE deployment_version;
DROP TABLE deployment;
DROP TABLE work_queue;
DROP TABLE work_pool;

-- The embedded database, as a new file gets it. One statement ends at each semicolon at the end of a line.
-- Ids are 16 raw bytes (UUIDv7: in order of time); times are microseconds since 1970 (UTC).

CREATE TABLE flow (
    id INTEGER PRIMARY KEY,          -- FlowDefinition.id
    name TEXT NOT NULL,
    version TEXT,
    source_hash TEXT,
    description TEXT
);
CREATE INDEX flow_by_name ON flow (name);

CREATE TABLE task (
    number INTEGER PRIMARY KEY,      -- small, so that a task run can name its task in one or two bytes
    id INTEGER NOT NULL UNIQUE,      -- TaskDefinition.id
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT,
    source_hash TEXT,
    tags TEXT                        -- JSON array; NULL: none
);
CREATE INDEX task_by_name ON task (name);

CREATE TABLE process (
    id BLOB NOT NULL PRIMARY KEY,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    start_time REAL NOT NULL,
    boot_id TEXT,
    pid_namespace TEXT,
    user TEXT NOT NULL,
    command TEXT NOT NULL,
    last_seen INTEGER NOT NULL,
    ended INTEGER                    -- NULL: as far as anybody knows it still runs
) WITHOUT ROWID;
CREATE INDEX process_not_ended ON process (id) WHERE ended IS NULL;

CREATE TABLE flow_run (
    number INTEGER PRIMARY KEY,      -- small, so that a task run can name its flow run in a few bytes
    id BLOB NOT NULL UNIQUE,
    root_run_id BLOB,                -- NULL: it is a root itself
    parent_flow_run_id BLOB,
    parent_task_run_id BLOB,
    flow_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    version INTEGER NOT NULL,
    run_count INTEGER NOT NULL,
    state_type INTEGER NOT NULL,
    state_name TEXT,                 -- NULL: the default name of the type
    start_time INTEGER,
    end_time INTEGER,
    process_id BLOB,
    cancel_requested INTEGER,        -- when somebody asked for it; on root runs only
    forked_from BLOB,
    tags TEXT,                       -- JSON array; NULL: none
    entry BLOB,                      -- EntryPoint as msgpack
    extra BLOB,
    parameters_text TEXT,
    parameters BLOB,
    result BLOB,
    states BLOB NOT NULL
);
CREATE INDEX flow_run_by_root ON flow_run (root_run_id, id) WHERE root_run_id IS NOT NULL;
CREATE INDEX flow_run_by_parent ON flow_run (parent_flow_run_id, id) WHERE parent_flow_run_id IS NOT NULL;
CREATE INDEX flow_run_by_flow ON flow_run (flow_id, id);
CREATE INDEX flow_run_by_state ON flow_run (state_type, id);
CREATE INDEX flow_run_by_state_name ON flow_run (state_name, id) WHERE state_name IS NOT NULL;
CREATE INDEX flow_run_by_name ON flow_run (name, id);
-- Unfinished runs only: what finding the dead looks at.
CREATE INDEX flow_run_unfinished ON flow_run (process_id) WHERE state_type < 6;

CREATE TABLE task_run (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    flow_run INTEGER,                -- flow_run.number; NULL outside flows
    root,                            -- NULL: derivable, for it is the flow run itself, or outside flows the task run
                                     -- itself; else the root's flow_run.number, or outside flows the root's id
    parent_task_run_id BLOB,
    task INTEGER NOT NULL,           -- task.number
    attempt INTEGER NOT NULL,
    version INTEGER NOT NULL,
    run_count INTEGER NOT NULL,
    name TEXT,                       -- NULL: the default name
    fingerprint BLOB,
    state_type INTEGER NOT NULL,
    state_name TEXT,                 -- NULL: the default name of the type
    start_time INTEGER,
    duration INTEGER,                -- from start_time to the end; NULL: has not ended
    result BLOB,
    upstream BLOB,
    child_flow_run_id BLOB,
    process_id BLOB,                 -- of task runs outside flows, where there is no flow run that has it
    extra BLOB,
    states BLOB NOT NULL,
    superseded INTEGER               -- the attempt whose body ended without coming to this call again
);
CREATE UNIQUE INDEX task_run_by_id ON task_run (id);
-- In order of ids within each type of state: what lists walk; and all that counts by state need.
CREATE INDEX task_run_by_flow_run ON task_run (flow_run, state_type, id, state_name) WHERE flow_run IS NOT NULL;
CREATE INDEX task_run_by_root ON task_run (root, id) WHERE root IS NOT NULL;
CREATE INDEX task_run_by_parent ON task_run (parent_task_run_id, id) WHERE parent_task_run_id IS NOT NULL;
CREATE INDEX task_run_by_state ON task_run (state_type, id);
CREATE INDEX task_run_by_task ON task_run (task, id);
-- What is NULL in most rows costs those nothing.
CREATE INDEX task_run_by_state_name ON task_run (state_name, id) WHERE state_name IS NOT NULL;
CREATE INDEX task_run_by_name ON task_run (name, id) WHERE name IS NOT NULL;
CREATE INDEX task_run_with_extra ON task_run (id) WHERE extra IS NOT NULL;
CREATE INDEX task_run_of_process ON task_run (process_id) WHERE process_id IS NOT NULL;

CREATE TABLE result_blob (
    id BLOB NOT NULL PRIMARY KEY,
    root_run_id BLOB,                -- NULL: belongs to a cache entry
    data BLOB NOT NULL
);
CREATE INDEX result_blob_by_root ON result_blob (root_run_id) WHERE root_run_id IS NOT NULL;

CREATE TABLE log (
    root_run_id BLOB NOT NULL,
    timestamp INTEGER NOT NULL,
    nonce INTEGER NOT NULL,
    flow_run_id BLOB,                -- NULL: the root, or none where the root is a task run
    task_run_id BLOB,
    level INTEGER NOT NULL,
    logger TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (root_run_id, timestamp, nonce)
) WITHOUT ROWID;

CREATE TABLE artifact (
    id BLOB NOT NULL PRIMARY KEY,
    type TEXT NOT NULL,
    key TEXT,
    description TEXT,
    root_run_id BLOB,
    flow_run_id BLOB,
    task_run_id BLOB,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    data TEXT NOT NULL               -- JSON
);
CREATE INDEX artifact_by_key ON artifact (key, id) WHERE key IS NOT NULL;
CREATE INDEX artifact_by_root ON artifact (root_run_id) WHERE root_run_id IS NOT NULL;
CREATE INDEX artifact_by_flow_run ON artifact (flow_run_id, id) WHERE flow_run_id IS NOT NULL;
CREATE INDEX artifact_by_task_run ON artifact (task_run_id, id) WHERE task_run_id IS NOT NULL;

CREATE TABLE variable (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL,             -- JSON
    tags TEXT,                       -- JSON array; NULL: none
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE cache_entry (
    key TEXT NOT NULL PRIMARY KEY,
    result BLOB NOT NULL,
    task_run_id BLOB,
    created INTEGER NOT NULL,
    expires INTEGER                  -- NULL: never
);
CREATE INDEX cache_entry_by_expiry ON cache_entry (expires) WHERE expires IS NOT NULL;

-- Which version the tables are of, and the oldest version of the code that can use them.
CREATE TABLE schema_version (
    version INTEGER NOT NULL,
    compatible_from INTEGER NOT NULL
);

-- Who may use a server, and what they changed.

CREATE TABLE user_account (
    id BLOB NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,       -- lower case
    role INTEGER NOT NULL,           -- model.roles.Role
    password_hash TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    last_login INTEGER
);

CREATE TABLE user_session (
    id BLOB NOT NULL PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE, -- SHA-256; the token itself is with the browser only
    user_id BLOB NOT NULL,
    created INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    expires INTEGER NOT NULL
);
CREATE INDEX user_session_by_user ON user_session (user_id);

CREATE TABLE api_key (
    id BLOB NOT NULL PRIMARY KEY,
    key_hash BLOB NOT NULL UNIQUE,   -- SHA-256
    name TEXT NOT NULL,
    hint TEXT NOT NULL,
    role INTEGER NOT NULL,
    user_id BLOB,                    -- NULL: made where no login is needed
    created INTEGER NOT NULL,
    expires INTEGER,                 -- NULL: never
    last_used INTEGER
);
CREATE INDEX api_key_by_user ON api_key (user_id);

CREATE TABLE login_attempt (
    subject TEXT NOT NULL PRIMARY KEY,
    failures INTEGER NOT NULL,
    last INTEGER NOT NULL
);

CREATE TABLE audit_entry (
    id BLOB NOT NULL PRIMARY KEY,
    actor TEXT NOT NULL,
    via TEXT NOT NULL,
    credential_id BLOB,
    address TEXT,
    request_id TEXT,
    method TEXT NOT NULL,
    route TEXT NOT NULL,
    target TEXT,
    summary TEXT,
    status INTEGER                   -- NULL: not answered (yet)
);
CREATE INDEX audit_entry_by_actor ON audit_entry (actor, id);
CREATE INDEX audit_entry_by_target ON audit_entry (target, id) WHERE target IS NOT NULL;
-- For how long a process may be silent; added so that the text is that of a file that was migrated.
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
CREATE INDEX ready_in_order ON ready (queue_id, priority DESC, due, flow_run_id);
CREATE INDEX ready_of_deployment ON ready (deployment_id, priority DESC, due) WHERE deployment_id IS NOT NULL;
CREATE INDEX ready_with_key ON ready (queue_id) WHERE concurrency_key IS NOT NULL;
CREATE INDEX ready_not_late ON ready (due) WHERE late = 0;

-- Runs that wait for somebody or for a time, and what is sent to runs.

-- A pause is known by its step; a row stays as long as the run, for the step is answered by it on replay.
CREATE TABLE pause (
    id BLOB NOT NULL PRIMARY KEY,        -- of the step's task run, or made by the store
    root_run_id BLOB NOT NULL,
    flow_run_id BLOB NOT NULL,
    attempt INTEGER NOT NULL,            -- the last one that came to it
    kind TEXT NOT NULL,                  -- pause, suspend or sleep
    execution INTEGER NOT NULL,
    key TEXT,
    schema TEXT,                         -- JSON schema of the input; NULL: none is wanted
    description TEXT,
    begun INTEGER NOT NULL,
    deadline INTEGER,                    -- NULL: none
    answered INTEGER,                    -- NULL: it waits
    answer TEXT,                         -- JSON
    problem TEXT,
    seen INTEGER NOT NULL                -- 1: the run knows that it was answered
) WITHOUT ROWID;
CREATE INDEX pause_by_root ON pause (root_run_id);
-- Those that nobody but the store can end.
CREATE INDEX pause_suspended ON pause (deadline) WHERE kind = 'suspend' AND answered IS NULL AND deadline IS NOT NULL;

-- Live runs that are to pause (0) or to be suspended (1).
CREATE TABLE pause_wish (
    root_run_id BLOB NOT NULL PRIMARY KEY,
    suspend INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE run_input (
    id BLOB NOT NULL PRIMARY KEY,        -- of the step that sent it
    root_run_id BLOB NOT NULL,
    flow_run_id BLOB NOT NULL,
    prefix TEXT NOT NULL,
    value TEXT NOT NULL,                 -- JSON
    sender TEXT,
    sent INTEGER NOT NULL,
    taken_by BLOB                        -- the step that received it; NULL: nobody yet
) WITHOUT ROWID;
CREATE INDEX run_input_waiting ON run_input (flow_run_id, prefix, sent, id) WHERE taken_by IS NULL;
CREATE INDEX run_input_taken ON run_input (taken_by) WHERE taken_by IS NOT NULL;
CREATE INDEX run_input_by_root ON run_input (root_run_id);

-- Task runs that were asked for by `delay` and have not ended: they wait, or somebody executes them.

CREATE TABLE background_task (
    task_run_id BLOB NOT NULL PRIMARY KEY,
    task_key TEXT NOT NULL,
    parameters BLOB NOT NULL,            -- a packed result
    attempt INTEGER NOT NULL,               -- that executes it now, or will: earlier ones are fenced
    recoveries INTEGER NOT NULL,
    max_recoveries INTEGER NOT NULL,
    holder TEXT,                         -- who executes it; NULL: it waits
    process_id BLOB,
    renewed INTEGER
) WITHOUT ROWID;
CREATE INDEX background_task_waiting ON background_task (task_key, task_run_id) WHERE holder IS NULL;
CREATE INDEX background_task_of_process ON background_task (process_id) WHERE process_id IS NOT NULL;

-- compatible from: 2
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

-- down

DROP TABLE run_input;
DROP TABLE pause_wish;
DROP TABLE pause;

-- compatible from: 2
-- Task runs that were asked for by `delay` and have not ended: they wait, or somebody executes them.

CREATE TABLE background_task (
    task_run_id bytea NOT NULL PRIMARY KEY,
    task_key TEXT NOT NULL,
    parameters bytea NOT NULL,            -- a packed result
    attempt bigint NOT NULL,               -- that executes it now, or will: earlier ones are fenced
    recoveries bigint NOT NULL,
    max_recoveries bigint NOT NULL,
    holder TEXT,                         -- who executes it; NULL: it waits
    process_id bytea,
    renewed bigint
);
CREATE INDEX background_task_waiting ON background_task (task_key, task_run_id) WHERE holder IS NULL;
CREATE INDEX background_task_of_process ON background_task (process_id) WHERE process_id IS NOT NULL;

-- down

DROP TABLE background_task;

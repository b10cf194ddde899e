-- compatible from: 1
-- What lists walk: indexes in the order of ids, and those by what is NULL in most rows.

DROP INDEX flow_run_by_root;
DROP INDEX flow_run_by_parent;
DROP INDEX flow_run_by_name;
DROP INDEX task_run_by_flow_run;
CREATE INDEX flow_run_by_root ON flow_run (root_run_id, id) WHERE root_run_id IS NOT NULL;
CREATE INDEX flow_run_by_parent ON flow_run (parent_flow_run_id, id) WHERE parent_flow_run_id IS NOT NULL;
CREATE INDEX flow_run_by_state_name ON flow_run (state_name, id) WHERE state_name IS NOT NULL;
CREATE INDEX flow_run_by_name ON flow_run (name, id);
CREATE INDEX task_run_by_flow_run ON task_run (flow_run, state_type, id, state_name) WHERE flow_run IS NOT NULL;
CREATE INDEX task_run_by_state_name ON task_run (state_name, id) WHERE state_name IS NOT NULL;
CREATE INDEX task_run_by_name ON task_run (name, id) WHERE name IS NOT NULL;
CREATE INDEX task_run_with_extra ON task_run (id) WHERE extra IS NOT NULL;

-- down

DROP INDEX flow_run_by_root;
DROP INDEX flow_run_by_parent;
DROP INDEX flow_run_by_state_name;
DROP INDEX flow_run_by_name;
DROP INDEX task_run_by_flow_run;
DROP INDEX task_run_by_state_name;
DROP INDEX task_run_by_name;
DROP INDEX task_run_with_extra;
CREATE INDEX flow_run_by_root ON flow_run (root_run_id) WHERE root_run_id IS NOT NULL;
CREATE INDEX flow_run_by_parent ON flow_run (parent_flow_run_id) WHERE parent_flow_run_id IS NOT NULL;
CREATE INDEX flow_run_by_name ON flow_run (name);
CREATE INDEX task_run_by_flow_run ON task_run (flow_run, id) WHERE flow_run IS NOT NULL;

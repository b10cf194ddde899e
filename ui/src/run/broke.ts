// What broke in a flow run, why, and what did not run because of it: found from its failed task runs, from the errors
// in its log, and from the last run of the flow that went well.
import { useAnswer } from "../api/queries";
import type { FlowRun, Log, TaskRun } from "../api/schema";
import { type Node, useGraph } from "../timeline/graph";

export interface Broken {
  failures: Failure[];
  /** What the flow's own body wrote as an error, where no task run failed. */
  ownTrace: string | null;
  /** Called, but not started, for what they need failed. */
  notReady: Node[];
  /** Steps that the last good run had after those that this one came to. */
  notReached: string[];
  lastGood: FlowRun | null;
}

export interface Failure {
  run: TaskRun;
  /** The error with its traceback, as the log has it. */
  trace: string | null;
}

const MOST = 20;

export function isBroken(run: FlowRun): boolean {
  return run.state.type === "FAILED" || run.state.type === "CRASHED";
}

export function useBroken(run: FlowRun, nodes: Node[]): Broken {
  const enabled = isBroken(run);
  const failed = useAnswer(
    "GET /api/task-runs",
    {
      query: {
        "root-run-id": [run.root_run_id],
        "state-type": ["FAILED", "CRASHED"],
        "include-superseded": false,
        limit: MOST,
        order: "oldest",
      },
    },
    { kinds: ["task-run"], enabled },
  );
  const errors = useAnswer(
    "GET /api/logs",
    { query: { "flow-run-id": run.id, "min-level": 40, limit: 200, order: "newest" } },
    { kinds: ["log"], enabled },
  );
  const good = useAnswer(
    "GET /api/flow-runs",
    { query: { "flow-name": [run.flow_name], "state-type": ["COMPLETED"], limit: 1 } },
    { enabled },
  );
  const lastGood = good.data?.items[0] ?? null;
  const goodGraph = useGraph(lastGood?.id ?? "", lastGood?.state.timestamp ?? "", enabled && lastGood !== null);
  const lines = errors.data?.items ?? [];
  // Those that stand for a nested flow failed because something in it did: what broke comes first.
  const runs = [...(failed.data?.items ?? [])].sort((one, other) => Number(one.child_flow_run_id !== null) - Number(other.child_flow_run_id !== null));
  return {
    failures: runs.map((each) => ({ run: each, trace: traceOf(lines, each.id) })),
    ownTrace: runs.length > 0 ? null : (lines.find((line) => line.task_run_id === null)?.message ?? null),
    notReady: nodes.filter((node) => node.stateName === "NotReady" && !node.superseded),
    notReached: notReached(nodes, goodGraph.data ?? []),
    lastGood,
  };
}

/** The newest error of a task run that holds a traceback, or else its newest error. */
export function traceOf(lines: Log[], taskRunId: string): string | null {
  const own = lines.filter((line) => line.task_run_id === taskRunId);
  return (own.find((line) => line.message.includes("\n")) ?? own[0])?.message ?? null;
}

/** The tasks that the good run came to and this one did not, in their order. */
export function notReached(nodes: Node[], good: Node[]): string[] {
  const here = new Set(nodes.filter((node) => !node.superseded).map((node) => node.taskName));
  const missing = good.filter((node) => !node.superseded && !here.has(node.taskName)).map((node) => node.taskName);
  return [...new Set(missing)];
}

// The task runs of a flow run as a timeline needs them, made from the columns that the API sends.
import { keepPreviousData, useQueries, useQuery } from "@tanstack/react-query";
import { call } from "../api/client";
import type { FlowRun, Graph, StateType } from "../api/schema";
import { ENDED } from "../design/state";

export interface Node {
  id: string;
  name: string;
  taskName: string;
  type: StateType;
  stateName: string;
  /** Milliseconds since 1970; null: not started. */
  start: number | null;
  /** Null: has not ended. */
  end: number | null;
  childFlowRun: string | null;
  upstream: string[];
  attempt: number;
  runCount: number;
  superseded: boolean;
}

async function readGraph(id: string, signal: AbortSignal): Promise<Node[]> {
  const nodes: Node[] = [];
  let cursor: string | null = null;
  do {
    const page: Graph = await call("GET /api/flow-runs/{id}/graph", {
      path: { id },
      query: cursor === null ? {} : { cursor },
      signal,
    });
    const superseded = new Set(page.superseded);
    for (let place = 0; place < page.ids.length; place++) nodes.push(nodeOf(page, place, superseded.has(place)));
    cursor = page.next_cursor;
  } while (cursor !== null);
  return nodes;
}

function nodeOf(graph: Graph, place: number, superseded: boolean): Node {
  const start = graph.starts[place] ?? null;
  const duration = graph.durations[place] ?? null;
  const here = (graph.upstream[place] ?? []).map((each) => graph.ids[each] as string);
  return {
    id: graph.ids[place] as string,
    name: graph.names[place] as string,
    taskName: graph.task_names[graph.tasks[place] as number] as string,
    type: graph.state_types[place] as StateType,
    stateName: graph.state_names[place] as string,
    start: start === null ? null : start / 1_000,
    end: start === null || duration === null ? null : (start + duration) / 1_000,
    childFlowRun: graph.child_flow_runs[place] ?? null,
    upstream: [...here, ...(graph.upstream_elsewhere[place] ?? [])],
    attempt: graph.attempts[place] as number,
    runCount: graph.run_counts[place] as number,
    superseded,
  };
}

/** `version` tells one state of a run that has ended from the next; of one that goes on it is null, and the graph is
 * asked for again whenever task runs change. */
function graphQuery(id: string, version: string | null) {
  return {
    queryKey: ["graph", id, version],
    queryFn: ({ signal }: { signal: AbortSignal }) => readGraph(id, signal),
    meta: { kinds: version === null ? ["task-run"] : [] },
  };
}

export function versionOf(run: FlowRun): string | null {
  if (!ENDED.includes(run.state.type)) return null;
  return JSON.stringify([run.attempt, run.state.timestamp, run.task_run_counts]);
}

export function useGraph(id: string, version: string | null, enabled = true) {
  return useQuery({ ...graphQuery(id, version), enabled, placeholderData: keepPreviousData });
}

/** The graphs of nested flow runs that were unfolded. */
export function useGraphs(ids: string[], version: string | null): Map<string, Node[]> {
  return useQueries({
    queries: ids.map((id) => graphQuery(id, version)),
    combine: (answers) => {
      const found = new Map<string, Node[]>();
      answers.forEach((answer, place) => answer.data !== undefined && found.set(ids[place] as string, answer.data));
      return found;
    },
  });
}

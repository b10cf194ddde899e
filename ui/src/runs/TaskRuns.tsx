// The list of task runs, of all flows or of one flow run.
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";
import type { Query } from "../api/client";
import { useLive } from "../api/live";
import { useAnswer, usePages } from "../api/queries";
import type { TaskRun } from "../api/schema";
import { Duration, Empty, Loading, ProblemBox, Tags, Time } from "../design/components";
import { Cell, HeadCell, List } from "../design/list";
import { StateLabel } from "../design/state";
import { useNarrow } from "../shell/narrow";
import { type Changes, Filters } from "./Filters";
import { Counts, defined } from "./FlowRuns";
import { begin, stateTypes, type TaskRunSearch, words } from "./search";

const PAGE = 100;

export default function TaskRuns() {
  const search = useSearch({ from: "/task-runs" });
  const navigate = useNavigate({ from: "/task-runs" });
  const change = useCallback(
    (changes: Changes) => {
      void navigate({ search: (now) => defined({ ...now, ...changes }) as TaskRunSearch, replace: true });
    },
    [navigate],
  );
  useLive(["task-run"]);
  return (
    <div className="content filling">
      <div className="page-head">
        <h1>Task runs</h1>
      </div>
      <Filters search={search} onChange={change} forTasks />
      <TaskRunList query={useMemo(() => queryOf(search), [search])} filtered={Object.keys(search).length > 0} />
    </div>
  );
}

/** Task runs that fit, newest first unless asked for otherwise. */
export function TaskRunList({
  query,
  filtered,
  oldestFirst = false,
}: {
  query: Query<"GET /api/task-runs/count">;
  filtered: boolean;
  oldestFirst?: boolean;
}) {
  const order = oldestFirst ? ("oldest" as const) : ("newest" as const);
  const runs = usePages(
    "GET /api/task-runs",
    { query: { ...query, limit: PAGE, order } },
    { kinds: ["task-run"], keep: true },
  );
  const counts = useAnswer("GET /api/task-runs/count", { query }, { kinds: ["task-run"], keep: true });
  const narrow = useNarrow();
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = runs;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  if (runs.error !== null) return <ProblemBox error={runs.error} retry={() => void runs.refetch()} />;
  if (runs.data === undefined) return <Loading />;
  if (runs.items.length === 0 && !hasNextPage) {
    return <Empty title={filtered ? "No task run fits these filters" : "No task has run here yet"} />;
  }
  return (
    <List
      label="Task runs"
      items={runs.items}
      keyOf={idOf}
      rowHeight={narrow ? 66 : 46}
      columns={narrow ? "minmax(0,1fr) auto" : "minmax(130px,1fr) minmax(0,1.6fr) minmax(0,1fr) 130px 110px"}
      more={more}
      head={
        narrow ? undefined : (
          <>
            <HeadCell>State</HeadCell>
            <HeadCell>Task run</HeadCell>
            <HeadCell>Tags</HeadCell>
            <HeadCell>Started</HeadCell>
            <HeadCell>Duration</HeadCell>
          </>
        )
      }
      row={(run) => <Row run={run} narrow={narrow} />}
      foot={<Counts counts={counts.data} shown={runs.items.length} />}
    />
  );
}

function Row({ run, narrow }: { run: TaskRun; narrow: boolean }) {
  const names = (
    <Cell className="two">
      <Link to="/task-runs/$id" params={{ id: run.id }} className="title-link clip">
        {run.name}
      </Link>
      <span className="muted small clip">{run.task_name}</span>
    </Cell>
  );
  if (narrow) {
    return (
      <>
        {names}
        <Cell className="two">
          <StateLabel state={run.state} />
          <span className="muted small">
            <Duration start={run.start_time} end={run.end_time} />
          </span>
        </Cell>
      </>
    );
  }
  return (
    <>
      <Cell>
        <StateLabel state={run.state} />
      </Cell>
      {names}
      <Cell>
        <Tags tags={run.tags} />
      </Cell>
      <Cell>
        <Time at={run.start_time ?? run.created} />
      </Cell>
      <Cell>
        <Duration start={run.start_time} end={run.end_time} />
      </Cell>
    </>
  );
}

function queryOf(search: TaskRunSearch): Query<"GET /api/task-runs/count"> {
  return defined({
    "state-type": stateTypes(search),
    "flow-name": words(search.flow),
    "task-name": words(search.task),
    tag: words(search.tag),
    "name-like": search.name,
    "created-after": begin(search.since),
  });
}

const idOf = (run: TaskRun) => run.id;

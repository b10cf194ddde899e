// One task run: its error first if it failed, then its log, what it needed, its result and artifacts.
import { Link, useParams, useSearch } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { ArtifactList } from "../artifacts/ArtifactList";
import { useLive } from "../api/live";
import { useAnswer } from "../api/queries";
import type { TaskRun } from "../api/schema";
import { Button, Duration, Empty, Facts, isMissing, Loading, ProblemBox, Tags, Time } from "../design/components";
import { StateIcon } from "../design/state";
import { LogView } from "../logs/LogView";
import { traceOf } from "../run/broke";
import { History, ResultView } from "../run/Details";
import { ResultDialog } from "../run/dialogs";
import { PickUpDialog } from "../run/PickUp";
import "../run/run.css";
import { Trace } from "../run/WhatBroke";
import { useMay } from "../shell/me";
import { plain } from "../text/ansi";
import { useGraph } from "../timeline/graph";

const TABS = ["logs", "details", "artifacts"] as const;
const TITLES = { logs: "Logs", details: "Details", artifacts: "Artifacts" };

export default function TaskRunPage() {
  const { id } = useParams({ from: "/task-runs/$id" });
  const answer = useAnswer("GET /api/task-runs/{id}", { path: { id } }, { kinds: ["task-run"] });
  useLive(["flow-run", "task-run", "log", "artifact"], answer.data?.root_run_id);
  if (isMissing(answer.error)) {
    return (
      <div className="content">
        <Empty title="There is no such task run">
          <Link to="/task-runs" className="button">
            All task runs
          </Link>
        </Empty>
      </div>
    );
  }
  if (answer.data === undefined) {
    return <div className="content">{answer.error === null ? <Loading /> : <ProblemBox error={answer.error} />}</div>;
  }
  return <Loaded key={id} run={answer.data} />;
}

function Loaded({ run }: { run: TaskRun }) {
  const search = useSearch({ from: "/task-runs/$id" });
  const tab = TABS.find((each) => each === search.tab) ?? "logs";
  const of = useMemo(() => ({ "task-run-id": run.id }), [run.id]);
  return (
    <div className="content">
      <Head run={run} />
      {(run.state.type === "FAILED" || run.state.type === "CRASHED") && <Failure run={run} />}
      <nav className="tabs" aria-label="Of this task run">
        {TABS.map((each) => (
          <Link
            key={each}
            to="/task-runs/$id"
            params={{ id: run.id }}
            search={each === "logs" ? {} : { tab: each }}
            activeOptions={{ exact: true, includeSearch: true }}
            replace
          >
            {TITLES[each]}
          </Link>
        ))}
      </nav>
      {tab === "logs" && (
        <div className="fill">
          <LogView of={of} />
        </div>
      )}
      {tab === "details" && <Details run={run} />}
      {tab === "artifacts" && <ArtifactList query={{ "task-run-id": run.id }} />}
    </div>
  );
}

function Head({ run }: { run: TaskRun }) {
  const [open, setOpen] = useState<"result" | "pickUp" | null>(null);
  const operator = useMay("operator");
  const flowRun = useAnswer(
    "GET /api/flow-runs/{id}",
    { path: { id: run.root_run_id } },
    { kinds: ["flow-run"], enabled: run.flow_run_id !== null },
  ).data;
  return (
    <header className="run-head">
      <div className="row apart wrap">
        <h1 className="row">
          <StateIcon type={run.state.type} size={20} />
          {run.name}
        </h1>
        <div className="row wrap">
          {operator && run.flow_run_id !== null && run.child_flow_run_id === null && run.state.type !== "COMPLETED" && (
            <Button onClick={() => setOpen("result")}>Supply its result…</Button>
          )}
          {operator && flowRun !== undefined && <Button onClick={() => setOpen("pickUp")}>Pick up from here…</Button>}
        </div>
      </div>
      <div className="run-facts">
        <span>
          <span>{run.state.name}</span>
        </span>
        <span>
          Task <span>{run.task_name}</span>
        </span>
        {run.flow_run_id !== null && (
          <span>
            In{" "}
            <Link to="/runs/$id" params={{ id: run.flow_run_id }} search={{ task: run.id }}>
              {flowRun !== undefined && flowRun.id === run.flow_run_id ? flowRun.name : "its flow run"}
            </Link>
          </span>
        )}
        <span>
          Started <Time at={run.start_time} />
        </span>
        <span>
          Took <Duration start={run.start_time} end={run.end_time} />
        </span>
        {run.run_count > 1 && (
          <span>
            Tried <span className="number">{run.run_count}</span> times
          </span>
        )}
        <Tags tags={run.tags} />
      </div>
      {open === "result" && <ResultDialog run={run} onClose={() => setOpen(null)} />}
      {open === "pickUp" && flowRun !== undefined && <PickUp run={run} flowRun={flowRun} onClose={() => setOpen(null)} />}
    </header>
  );
}

function PickUp({ run, flowRun, onClose }: { run: TaskRun; flowRun: Parameters<typeof PickUpDialog>[0]["run"]; onClose: () => void }) {
  const graph = useGraph(run.flow_run_id ?? "", null);
  return graph.data === undefined ? null : (
    <PickUpDialog run={flowRun} nodes={graph.data} from={run.id} onClose={onClose} />
  );
}

function Failure({ run }: { run: TaskRun }) {
  const errors = useAnswer(
    "GET /api/logs",
    { query: { "task-run-id": run.id, "min-level": 40, limit: 50, order: "newest" } },
    { kinds: ["log"] },
  );
  const trace = traceOf(errors.data?.items ?? [], run.id);
  return (
    <section className={`broke ${run.state.type}`} aria-label="What broke">
      <p className="message">{plain(run.state.message ?? "It gave no reason.")}</p>
      {trace !== null && trace !== run.state.message && (
        <div>
          <Trace text={trace} open />
        </div>
      )}
    </section>
  );
}

function Details({ run }: { run: TaskRun }) {
  return (
    <div className="stack">
      <section className="card">
        <div className="card-head">
          <h2>Details</h2>
        </div>
        <div className="card-body">
          <Facts
            items={[
              ["Id", <code key="id">{run.id}</code>],
              ["Task", <code key="task">{run.task_key}</code>],
              ["Called", <Time key="called" at={run.created} />],
              ["Ended", <Time key="ended" at={run.end_time} />],
              ["Attempt", run.attempt],
              ["Times started", run.run_count],
              ["Version", run.task_version ?? "–"],
              ["Needed", <Upstream key="needed" run={run} />],
            ]}
          />
        </div>
      </section>
      {run.result != null && (
        <section className="card">
          <div className="card-head">
            <h2>Result</h2>
          </div>
          <div className="card-body">
            <ResultView result={run.result} />
          </div>
        </section>
      )}
      <History states={run.states ?? []} />
    </div>
  );
}

const MOST_UPSTREAM = 100;

function Upstream({ run }: { run: TaskRun }) {
  const ids = [...new Set(run.upstream.map((each) => each.task_run_id))].slice(0, MOST_UPSTREAM);
  const named = useAnswer("GET /api/task-runs", { query: { id: ids, limit: 100 } }, { enabled: ids.length > 0 });
  const names = new Map((named.data?.items ?? []).map((each) => [each.id, each.name]));
  if (ids.length === 0) return <>nothing</>;
  return (
    <span className="row wrap">
      {run.upstream.slice(0, MOST_UPSTREAM).map((each, place) => (
        <span key={place}>
          <span className="muted">{each.parameter}:</span>{" "}
          <Link to="/task-runs/$id" params={{ id: each.task_run_id }}>
            {names.get(each.task_run_id) ?? each.task_run_id.slice(0, 8)}
          </Link>
        </span>
      ))}
    </span>
  );
}

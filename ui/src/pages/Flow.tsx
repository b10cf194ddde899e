// One flow: its last fifty runs as bars, and the list of them.
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { useMemo } from "react";
import { useLive } from "../api/live";
import { useAnswer } from "../api/queries";
import type { FlowRun } from "../api/schema";
import { Empty, isMissing, Loading, ProblemBox } from "../design/components";
import { FlowRunList } from "../runs/FlowRuns";
import { Markdown } from "../text/Markdown";
import { duration, moment, runDuration } from "../text/times";
import "./pages.css";

const BARS = 50;

export default function FlowPage() {
  const { name } = useParams({ from: "/flows/$name" });
  const flow = useAnswer("GET /api/flows/{name}", { path: { name } }, { kinds: ["flow-run"] });
  const search = useMemo(() => ({ flow: name, nested: true }), [name]);
  useLive(["flow-run"]);
  if (isMissing(flow.error)) {
    return (
      <div className="content">
        <Empty title={`No flow ${name} has run`}>
          <Link to="/flows" className="button">
            All flows
          </Link>
        </Empty>
      </div>
    );
  }
  if (flow.data === undefined) {
    return <div className="content">{flow.error === null ? <Loading /> : <ProblemBox error={flow.error} />}</div>;
  }
  return (
    <div className="content filling">
      <div className="page-head">
        <h1>{name}</h1>
        {flow.data.version !== null && (
          <span className="muted clip" title={flow.data.version}>
            version {flow.data.version.slice(0, 12)}
          </span>
        )}
      </div>
      {flow.data.description !== null && <Markdown text={flow.data.description} under={1} />}
      <RunBars flow={name} />
      <FlowRunList search={search} />
    </div>
  );
}

/** The last runs as bars, oldest first: as high as they took long, coloured by how they ended. */
function RunBars({ flow }: { flow: string }) {
  const runs = useAnswer(
    "GET /api/flow-runs",
    { query: { "flow-name": [flow], limit: BARS } },
    { kinds: ["flow-run"] },
  );
  const navigate = useNavigate();
  const items = [...(runs.data?.items ?? [])].reverse();
  if (items.length < 2) return null;
  const longest = Math.max(1, ...items.map((run) => runDuration(run.start_time, run.end_time) ?? 0));
  return (
    <div className="bars" role="group" aria-label={`The last ${items.length} runs`}>
      {items.map((run) => (
        <button
          key={run.id}
          type="button"
          title={describe(run)}
          aria-label={describe(run)}
          onClick={() => void navigate({ to: "/runs/$id", params: { id: run.id } })}
        >
          <span
            className={`bar ${run.state.type}`}
            style={{ height: `${Math.max(6, (100 * (runDuration(run.start_time, run.end_time) ?? 0)) / longest)}%` }}
          />
        </button>
      ))}
    </div>
  );
}

function describe(run: FlowRun): string {
  const took = runDuration(run.start_time, run.end_time);
  return `${run.name}: ${run.state.name}, ${moment(new Date(run.created))}${took === null ? "" : `, ${duration(took)}`}`;
}

// What needs somebody: what failed and was not handled, what runs now, and how the last day went.
import { Link } from "@tanstack/react-router";
import { useLive } from "../api/live";
import { useAnswer } from "../api/queries";
import type { Flow, FlowRun, History, HistorySpan } from "../api/schema";
import { Command, Duration, Empty, Loading, ProblemBox, Time, useClock } from "../design/components";
import { StateIcon, StateLabel } from "../design/state";
import { begin } from "../runs/search";
import { plain } from "../text/ansi";
import { moment } from "../text/times";
import "./pages.css";

const SPANS = 96; // of a quarter of an hour each
const SHOWN = 50;

export default function Home() {
  const failed = useAnswer(
    "GET /api/flow-runs",
    { query: { "state-type": ["FAILED", "CRASHED"], "top-level": true, "created-after": week(), limit: SHOWN } },
    { kinds: ["flow-run"], keep: true },
  );
  const running = useAnswer(
    "GET /api/flow-runs",
    {
      query: {
        "state-type": ["RUNNING", "PENDING", "PAUSED", "CANCELLING", "SCHEDULED"],
        "top-level": true,
        limit: SHOWN,
      },
    },
    { kinds: ["flow-run"], keep: true },
  );
  const flows = useAnswer("GET /api/flows", { query: { limit: 200 } }, { kinds: ["flow-run"], keep: true });
  useLive(["flow-run"]);
  const error = failed.error ?? running.error ?? flows.error;
  if (error !== null) return <div className="content"><ProblemBox error={error} retry={() => location.reload()} /></div>;
  if (failed.data === undefined || running.data === undefined || flows.data === undefined) {
    return (
      <div className="content">
        <Loading />
      </div>
    );
  }
  if (flows.data.items.length === 0) return <FirstSteps />;
  return (
    <div className="content">
      <div className="page-head">
        <h1>Home</h1>
      </div>
      <LastDay />
      <div className="home">
        <Failed runs={failed.data.items} flows={flows.data.items} more={failed.data.next_cursor !== null} />
        <Running runs={running.data.items} />
      </div>
    </div>
  );
}

function week(): string {
  // The day is enough: it stays one question until midnight.
  return `${(begin("7d") as string).slice(0, 10)}T00:00:00Z`;
}

function FirstSteps() {
  return (
    <div className="content">
      <div className="page-head">
        <h1>Home</h1>
      </div>
      <Empty title="Nothing has run yet">
        <p className="muted">
          Put <code>@flow</code> on a function, call it, and its run shows here. Or run one from its file:
        </p>
        <Command text="dalsegno run nightly.py" />
      </Empty>
    </div>
  );
}

/** A failure counts as handled when its flow has ended well since. */
function Failed({ runs, flows, more }: { runs: FlowRun[]; flows: Flow[]; more: boolean }) {
  const last = new Map(flows.map((flow) => [flow.name, flow]));
  const open = runs.filter((run) => !isHandled(run, last.get(run.flow_name)));
  const handled = runs.length - open.length;
  return (
    <section className="card" aria-label="Failed">
      <div className="card-head">
        <h2>Failed and not handled</h2>
        <Link to="/runs" search={{ state: "FAILED,CRASHED", since: "7d" }} className="small">
          All of the last week
        </Link>
      </div>
      {open.length === 0 ? (
        <p className="card-body row">
          <StateIcon type="COMPLETED" /> Nothing. All flows ended well the last time that they ran.
        </p>
      ) : (
        <ul className="feed">
          {open.map((run) => (
            <li key={run.id}>
              <span className="row apart">
                <Link to="/runs/$id" params={{ id: run.id }} className="title-link row">
                  <StateIcon type={run.state.type} />
                  <span className="clip">{run.flow_name}</span>
                </Link>
                <span className="muted small">
                  <Time at={run.state.timestamp} relative />
                </span>
              </span>
              <span className="muted small clip">
                {run.name} · {run.state.name}
              </span>
              {run.state.message != null && <span className="message">{plain(run.state.message)}</span>}
            </li>
          ))}
        </ul>
      )}
      {(handled > 0 || more) && (
        <p className="list-foot">
          {handled > 0 && `${handled} more failed in the last week, and their flows ended well since. `}
          {more && "There are more than are shown here."}
        </p>
      )}
    </section>
  );
}

function isHandled(run: FlowRun, flow: Flow | undefined): boolean {
  if (flow === undefined || flow.last_state !== "Completed" || flow.last_run === null) return false;
  return flow.last_run > run.created;
}

function Running({ runs }: { runs: FlowRun[] }) {
  return (
    <section className="card" aria-label="Running">
      <div className="card-head">
        <h2>Running now</h2>
      </div>
      {runs.length === 0 ? (
        <p className="card-body muted">Nothing runs at this moment.</p>
      ) : (
        <ul className="feed">
          {runs.map((run) => (
            <li key={run.id}>
              <span className="row apart">
                <Link to="/runs/$id" params={{ id: run.id }} className="title-link clip">
                  {run.flow_name}
                </Link>
                <StateLabel state={run.state} />
              </span>
              <span className="row apart muted small">
                <span className="clip">{run.name}</span>
                <Duration start={run.start_time} end={run.end_time} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function LastDay() {
  // A strip moves on with the quarters of the hour; what happens within the last one comes by itself.
  const quarter = Math.ceil(useClock(true) / 900_000) * 900_000;
  const history = useAnswer(
    "GET /api/flow-runs/history",
    {
      query: {
        start: new Date(quarter - 86_400_000).toISOString(),
        end: new Date(quarter).toISOString(),
        spans: SPANS,
        "top-level": true,
      },
    },
    { kinds: ["flow-run"], keep: true },
  );
  if (history.data === undefined) return null;
  return <Strip history={history.data} />;
}

function Strip({ history }: { history: History }) {
  const most = Math.max(1, ...history.spans.map(total));
  const all = history.spans.reduce((sum, span) => sum + total(span), 0);
  const bad = history.spans.reduce((sum, span) => sum + failures(span), 0);
  return (
    <section className="card" aria-label="The last day">
      <div className="card-head">
        <h2>The last day</h2>
        <span className="muted small number">
          {all.toLocaleString()} {all === 1 ? "run" : "runs"}, {bad.toLocaleString()} failed
        </span>
      </div>
      <div className="card-body stack tight">
        <div className="strip" role="img" aria-label={`${all} runs in the last day, ${bad} failed`}>
          {history.spans.map((span) => (
            <span key={span.start} title={describe(span)}>
              <Cell span={span} most={most} />
            </span>
          ))}
        </div>
        <div className="strip-scale" aria-hidden="true">
          <span>a day ago</span>
          <span>now</span>
        </div>
      </div>
    </section>
  );
}

/** As full as there were runs; the part that failed stands at the bottom, striped. */
function Cell({ span, most }: { span: HistorySpan; most: number }) {
  const count = total(span);
  if (count === 0) return null;
  const height = 30 + (70 * Math.log1p(count)) / Math.log1p(most);
  const bad = (failures(span) / count) * height;
  return (
    <span className="strip-cell">
      <span className="bar COMPLETED" style={{ height: `${height - bad}%` }} />
      {bad > 0 && <span className="bar FAILED" style={{ height: `${Math.max(bad, 14)}%` }} />}
    </span>
  );
}

function total(span: HistorySpan): number {
  return Object.values(span.by_state_type).reduce((sum, count) => sum + count, 0);
}

function failures(span: HistorySpan): number {
  return (span.by_state_type["FAILED"] ?? 0) + (span.by_state_type["CRASHED"] ?? 0);
}

function describe(span: HistorySpan): string {
  const counts = Object.entries(span.by_state_type).map(([type, count]) => `${count} ${type.toLowerCase()}`);
  return `${moment(new Date(span.start))}: ${counts.length === 0 ? "no runs" : counts.join(", ")}`;
}

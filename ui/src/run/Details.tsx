// Everything else that is known of a flow run: its history, its process, its entry point, its result.
import type { FlowRun, Result, State } from "../api/schema";
import { Facts, Json, Time } from "../design/components";
import { StateLabel } from "../design/state";
import { plain } from "../text/ansi";

export function Details({ run }: { run: FlowRun }) {
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
              ["Made", <Time key="made" at={run.created} />],
              ["Ended", <Time key="ended" at={run.end_time} />],
              ["Attempt", run.attempt],
              ["Times started", run.run_count],
              ["Flow's version", run.flow_version ?? "–"],
              ["Entry point", run.entry?.entrypoint ?? run.entry?.reason ?? "–"],
              ["Folder", run.entry?.working_directory ?? "–"],
              ["Interpreter", run.entry?.interpreter ?? "–"],
              ["Machine", run.process == null ? "–" : `${run.process.host}, process ${run.process.pid}, as ${run.process.user}`],
              ["Command", run.process?.command ?? "–"],
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

export function ResultView({ result }: { result: Result }) {
  if (result.is_value) return <Json value={result.value ?? null} label="Result" />;
  return (
    <Facts
      items={[
        ["Serialized by", result.serializer ?? "–"],
        ["Size", result.size == null ? "–" : `${result.size.toLocaleString()} bytes`],
        ["Place", result.url ?? "in the database"],
      ]}
    />
  );
}

export function History({ states }: { states: State[] }) {
  return (
    <section className="card">
      <div className="card-head">
        <h2>States</h2>
      </div>
      <div className="table-wrap" tabIndex={0} role="group" aria-label="States">
        <table className="table">
          <thead>
            <tr>
              <th>When</th>
              <th>State</th>
              <th>Attempt</th>
              <th>Message</th>
            </tr>
          </thead>
          <tbody>
            {states.map((state, place) => (
              <tr key={place}>
                <td>
                  <Time at={state.timestamp} />
                </td>
                <td>
                  <StateLabel state={state} />
                </td>
                <td className="number">{state.attempt}</td>
                <td className="muted">{plain(state.message ?? "")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

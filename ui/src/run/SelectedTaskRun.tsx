// What is known of the task run that is selected on the timeline, below it.
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useAnswer } from "../api/queries";
import { Button, Duration, Loading, ProblemBox, Time } from "../design/components";
import { StateLabel } from "../design/state";
import { useMay } from "../shell/me";
import { plain } from "../text/ansi";
import { ResultDialog } from "./dialogs";

export function SelectedTaskRun({ id, onPickUp }: { id: string; onPickUp: () => void }) {
  const answer = useAnswer("GET /api/task-runs/{id}", { path: { id } }, { kinds: ["task-run"], keep: true });
  const [byHand, setByHand] = useState(false);
  const operator = useMay("operator");
  if (answer.error !== null) return <ProblemBox error={answer.error} />;
  const run = answer.data;
  if (run === undefined) return <Loading />;
  return (
    <section className="card selected-run" aria-label="Selected task run">
      <div className="row wrap apart">
        <h2 className="clip">{run.name}</h2>
        <span className="row wrap">
          <Link to="/task-runs/$id" params={{ id: run.id }} className="button narrow">
            Open
          </Link>
          {run.child_flow_run_id !== null && (
            <Link to="/runs/$id" params={{ id: run.child_flow_run_id }} className="button narrow">
              Open the nested run
            </Link>
          )}
          {operator && run.child_flow_run_id === null && run.state.type !== "COMPLETED" && (
            <Button look="narrow" onClick={() => setByHand(true)}>
              Supply its result…
            </Button>
          )}
          {operator && (
            <Button look="narrow" onClick={onPickUp}>
              Pick up from here…
            </Button>
          )}
        </span>
      </div>
      <div className="run-facts">
        <span>
          <StateLabel state={run.state} />
        </span>
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
      </div>
      {run.state.message != null && <p className="mono">{plain(run.state.message)}</p>}
      {byHand && <ResultDialog run={run} onClose={() => setByHand(false)} />}
    </section>
  );
}

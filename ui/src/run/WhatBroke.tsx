// The panel at the top of a run that failed: the error, where it is, and what waits for it.
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { FlowRun } from "../api/schema";
import { Button, Copy } from "../design/components";
import { StateIcon } from "../design/state";
import { useMay } from "../shell/me";
import { plain } from "../text/ansi";
import type { Broken, Failure } from "./broke";
import { ResultDialog } from "./dialogs";

const OPEN = 3; // failures that are shown at once

export function WhatBroke({ run, broken, onPickUp }: { run: FlowRun; broken: Broken; onPickUp: (from: string) => void }) {
  const [all, setAll] = useState(false);
  const shown = all ? broken.failures : broken.failures.slice(0, OPEN);
  return (
    <section className={`broke ${run.state.type}`} aria-label="What broke">
      <div className="stack tight">
        <h2 className="row">
          <StateIcon type={run.state.type} size={18} />
          {title(run, broken)}
        </h2>
        {run.state.message != null && broken.failures.length !== 1 && <p className="message">{plain(run.state.message)}</p>}
        {broken.ownTrace !== null && <Trace text={broken.ownTrace} open />}
      </div>
      {shown.map((failure, place) => (
        <FailureItem
          key={failure.run.id}
          failure={failure}
          open={place === 0}
          onPickUp={() => onPickUp(failure.run.id)}
        />
      ))}
      {broken.failures.length > shown.length && (
        <div>
          <Button look="quiet narrow" onClick={() => setAll(true)}>
            {broken.failures.length - shown.length} more
          </Button>
        </div>
      )}
      <Waiting broken={broken} />
    </section>
  );
}

function title(run: FlowRun, broken: Broken): string {
  const first = broken.failures[0]?.run;
  if (first === undefined) return run.state.type === "CRASHED" ? "The run crashed" : "The flow itself failed";
  const others = broken.failures.length - 1;
  const where = `${run.state.type === "CRASHED" ? "Crashed" : "Failed"} at ${first.name}`;
  return others === 0 ? where : `${where}, and ${others} more`;
}

function FailureItem({ failure, open, onPickUp }: { failure: Failure; open: boolean; onPickUp: () => void }) {
  const { run, trace } = failure;
  const [byHand, setByHand] = useState(false);
  const operator = useMay("operator");
  return (
    <div className="stack tight">
      <div className="row wrap apart">
        <Link to="/task-runs/$id" params={{ id: run.id }} className="title-link row">
          <StateIcon type={run.state.type} />
          {run.name}
        </Link>
        <span className="row wrap">
          {run.run_count > 1 && <span className="muted small">tried {run.run_count} times</span>}
          {operator && run.child_flow_run_id === null && (
            <Button look="narrow" onClick={() => setByHand(true)}>
              Supply its result…
            </Button>
          )}
          <Button look="narrow" onClick={onPickUp}>
            Pick up from here…
          </Button>
        </span>
      </div>
      <p className="message">{plain(run.state.message ?? "It gave no reason.")}</p>
      {trace !== null && trace !== run.state.message && <Trace text={trace} open={open} />}
      {byHand && <ResultDialog run={run} onClose={() => setByHand(false)} />}
    </div>
  );
}

export function Trace({ text, open }: { text: string; open: boolean }) {
  const shown = plain(text);
  return (
    <details open={open}>
      <summary>Traceback</summary>
      <pre className="trace" tabIndex={0} aria-label="Traceback">
        {shown}
      </pre>
      <Copy text={shown} />
    </details>
  );
}

const MOST_STEPS = 30;

function Waiting({ broken }: { broken: Broken }) {
  const steps = [...new Set([...broken.notReady.map((node) => node.name), ...broken.notReached])];
  if (steps.length === 0) return null;
  return (
    <div className="stack tight">
      <h3>Did not run because of it</h3>
      <ul className="steps">
        {steps.slice(0, MOST_STEPS).map((step) => (
          <li className="tag" key={step}>
            {step}
          </li>
        ))}
        {steps.length > MOST_STEPS && <li className="muted">and {steps.length - MOST_STEPS} more</li>}
      </ul>
      {broken.notReached.length > 0 && broken.lastGood !== null && (
        <p className="muted small">
          By comparison with{" "}
          <Link to="/runs/$id" params={{ id: broken.lastGood.id }}>
            {broken.lastGood.name}
          </Link>
          , the last run that went well.
        </p>
      )}
    </div>
  );
}

// Picking a run up where it stopped. A run that was called in a script is executed where its code is: for it this gives
// the command. Where the server can have it executed itself, it gives a button.
import { useEffect, useState } from "react";
import { call } from "../api/client";
import { queryClient } from "../api/queries";
import type { FlowRun } from "../api/schema";
import { Button, Choice, Command, Dialog, Field, Loading, ProblemBox, useClose } from "../design/components";
import type { Node } from "../timeline/graph";
import { retryCommand, type RetryMode } from "./command";
import { parsed } from "./dialogs";

interface Props {
  run: FlowRun;
  nodes: Node[];
  /** The task run from which, where one was chosen. */
  from: string | null;
  onClose: () => void;
}

export function PickUpDialog(props: Props) {
  return (
    <Dialog title={`Pick up ${props.run.name}`} onClose={props.onClose}>
      <Body {...props} />
    </Dialog>
  );
}

function Body({ run, nodes, from }: Props) {
  const close = useClose();
  const [mode, setMode] = useState<RetryMode>(from === null ? "failure" : "from");
  const [task, setTask] = useState(from ?? nodes.at(-1)?.id ?? "");
  const [parameters, setParameters] = useState(() => JSON.stringify(run.parameters ?? {}, null, 2));
  const [error, setError] = useState<unknown>(null);
  const executable = useExecutable(run.id);
  const valid = mode !== "parameters" || parsed(parameters) !== undefined;
  const withoutEntry = run.entry?.entrypoint == null;
  const choose = (value: string) => setMode(value as RetryMode);
  async function pickUp() {
    setError(null);
    try {
      await call("POST /api/flow-runs/{id}/retry", { path: { id: run.id } });
      await queryClient.invalidateQueries();
      close();
    } catch (raised) {
      setError(raised);
    }
  }
  return (
    <>
      <div className="dialog-body">
        <div className="stack tight" role="radiogroup" aria-label="From where">
          <Choice name="mode" value="failure" chosen={mode} onChoose={choose} title="From the failure.">
            What completed is kept and not run again.
          </Choice>
          <Choice name="mode" value="from" chosen={mode} onChoose={choose} title="From a task run.">
            It and what depends on it run again.
          </Choice>
          {mode === "from" && (
            <select className="input" aria-label="Task run" value={task} onChange={(event) => setTask(event.target.value)}>
              {nodes.slice(0, 2_000).map((node) => (
                <option key={node.id} value={node.id}>
                  {node.name} ({node.stateName})
                </option>
              ))}
            </select>
          )}
          <Choice name="mode" value="changed" chosen={mode} onChoose={choose} title="What changed.">
            Also what completed, where the code of its task is another now.
          </Choice>
          <Choice name="mode" value="parameters" chosen={mode} onChoose={choose} title="With other parameters.">
            A new run, which starts from this one.
          </Choice>
          {mode === "parameters" && (
            <Field label="Parameters, as JSON" {...(valid ? {} : { hint: "This is no JSON yet." })}>
              <textarea
                className="input"
                value={parameters}
                spellCheck={false}
                onChange={(event) => setParameters(event.target.value)}
              />
            </Field>
          )}
          <Choice name="mode" value="scratch" chosen={mode} onChoose={choose} title="From scratch.">
            Everything runs again.
          </Choice>
        </div>
        {executable === null ? (
          <Loading />
        ) : executable && mode === "failure" ? null : (
          <div className="stack tight">
            <p>
              {withoutEntry
                ? `It cannot be picked up by a command: ${run.entry?.reason ?? "where its code is was not recorded."}`
                : "Where its code is, on the machine that ran it:"}
            </p>
            {!withoutEntry && valid && <Command text={retryCommand(run.id, mode, task, parameters)} />}
            {!withoutEntry && <p className="muted small">{run.entry?.entrypoint} in {run.entry?.working_directory}</p>}
          </div>
        )}
        <ProblemBox error={error} />
      </div>
      <div className="dialog-foot">
        <Button onClick={close}>Close</Button>
        {executable === true && mode === "failure" && (
          <Button look="primary" onClick={() => void pickUp()}>
            Pick it up
          </Button>
        )}
      </div>
    </>
  );
}

/** Whether the server can have the run executed, by its own word; null: it has not said yet. */
function useExecutable(id: string): boolean | null {
  const [executable, setExecutable] = useState<boolean | null>(null);
  useEffect(() => {
    const controller = new AbortController();
    call("POST /api/flow-runs/bulk/retry", { body: { ids: [id], dry_run: true }, signal: controller.signal }).then(
      (answer) => setExecutable(answer.items[0]?.outcome === "would_be_done"),
      () => setExecutable(false),
    );
    return () => controller.abort();
  }, [id]);
  return executable;
}

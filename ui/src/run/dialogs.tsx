// What a person does to one run: cancel it, set its state, delete it, supply a result by hand.
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { call } from "../api/client";
import { queryClient } from "../api/queries";
import type { FlowRun, StateType, TaskRun } from "../api/schema";
import { Dialog, DialogForm, Field } from "../design/components";
import { ENDED } from "../design/state";

interface OfRun {
  run: FlowRun;
  onClose: () => void;
}

export function CancelDialog({ run, onClose }: OfRun) {
  return (
    <Dialog title={`Cancel ${run.name}?`} onClose={onClose}>
      <DialogForm
        submit="Cancel the run"
        danger
        action={async () => {
          await call("POST /api/flow-runs/{id}/cancel", { path: { id: run.id } });
          await queryClient.invalidateQueries();
        }}
      >
        <p>
          Its process is told to stop, and runs its cancellation hooks. What has completed is kept: the run can be picked
          up later.
        </p>
      </DialogForm>
    </Dialog>
  );
}

export function PauseDialog({ run, onClose }: OfRun) {
  return (
    <Dialog title={`Pause ${run.name}?`} onClose={onClose}>
      <DialogForm
        submit="Pause the run"
        action={async () => {
          await call("POST /api/flow-runs/{id}/pause", { path: { id: run.id } });
          await queryClient.invalidateQueries();
        }}
      >
        <p>It waits in its process before its next task, until somebody resumes it.</p>
      </DialogForm>
    </Dialog>
  );
}

export function DeleteDialog({ run, onClose }: OfRun) {
  const navigate = useNavigate();
  return (
    <Dialog title={`Delete ${run.name}?`} onClose={onClose}>
      <DialogForm
        submit="Delete the run"
        danger
        action={async () => {
          await call("DELETE /api/flow-runs/{id}", { path: { id: run.id } });
          await navigate({ to: "/runs" });
          queryClient.removeQueries({ predicate: (query) => JSON.stringify(query.queryKey).includes(run.id) });
          await queryClient.invalidateQueries();
        }}
      >
        <p>Its task runs, logs, artifacts and results go too, and those of the flow runs nested in it. There is no way back.</p>
      </DialogForm>
    </Dialog>
  );
}

export function StateDialog({ run, onClose }: OfRun) {
  const [type, setType] = useState<StateType>("COMPLETED");
  const [name, setName] = useState("");
  const [message, setMessage] = useState("");
  const [force, setForce] = useState(false);
  return (
    <Dialog title={`Set the state of ${run.name}`} onClose={onClose}>
      <DialogForm
        submit="Set the state"
        action={async () => {
          const body = { type, name: name || null, message: message || null, force };
          await call("POST /api/flow-runs/{id}/set-state", { path: { id: run.id }, body });
          await queryClient.invalidateQueries();
        }}
      >
        <Field label="State">
          <select className="input" value={type} onChange={(event) => setType(event.target.value as StateType)}>
            {ENDED.map((each) => (
              <option key={each} value={each}>
                {each.charAt(0) + each.slice(1).toLowerCase()}
              </option>
            ))}
          </select>
        </Field>
        <Field label="Name" hint="Empty: that of its type.">
          <input className="input" value={name} maxLength={200} onChange={(event) => setName(event.target.value)} />
        </Field>
        <Field label="Why">
          <input
            className="input"
            value={message}
            maxLength={10_000}
            onChange={(event) => setMessage(event.target.value)}
          />
        </Field>
        <label className="choice">
          <input type="checkbox" checked={force} onChange={(event) => setForce(event.target.checked)} />
          <span>
            <strong>By force</strong>
            <span className="muted"> Also while it is executed, which stops that.</span>
          </span>
        </label>
      </DialogForm>
    </Dialog>
  );
}

export function ResultDialog({ run, onClose }: { run: TaskRun; onClose: () => void }) {
  const [text, setText] = useState("");
  const [message, setMessage] = useState("");
  const value = parsed(text);
  return (
    <Dialog title={`Supply the result of ${run.name}`} onClose={onClose}>
      <DialogForm
        submit="Complete it with this"
        disabled={value === undefined}
        action={async () => {
          const body = { value: value?.json, message: message || null };
          await call("POST /api/task-runs/{id}/set-result", { path: { id: run.id }, body });
          await queryClient.invalidateQueries();
        }}
      >
        <p>The task run becomes Completed with this result. When its flow run is picked up, it goes on from there.</p>
        <Field
          label="Result, as JSON"
          hint={text !== "" && value === undefined ? "This is no JSON yet: texts stand in quotes." : 'Such as {"rows": 120}, 17, "text" or null'}
        >
          <textarea className="input" autoFocus value={text} spellCheck={false} onChange={(event) => setText(event.target.value)} />
        </Field>
        <Field label="Why">
          <input className="input" value={message} maxLength={10_000} onChange={(event) => setMessage(event.target.value)} />
        </Field>
      </DialogForm>
    </Dialog>
  );
}

export function parsed(text: string): { json: unknown } | undefined {
  try {
    return { json: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

// What a run waits for, and the form by which a person lets it go on.
import { useState } from "react";
import { call } from "../api/client";
import { queryClient } from "../api/queries";
import type { FlowRun, FlowRunPause } from "../api/schema";
import { Button, Command, Dialog, DialogForm, Field, Time, useClose } from "../design/components";
import { StateIcon } from "../design/state";
import "../pages/pages.css";
import { useMay } from "../shell/me";
import { Markdown } from "../text/Markdown";
import { parsed } from "./dialogs";
import { fieldsOf, type FormField, inputOf, startOf } from "./form";

export function Pauses({ run, pauses }: { run: FlowRun; pauses: FlowRunPause[] }) {
  const operator = useMay("operator");
  const [open, setOpen] = useState<FlowRunPause | null>(null);
  return (
    <section className="card" aria-label="Waits">
      <ul className="feed">
        {pauses.map((pause) => (
          <li key={pause.id}>
            <span className="row apart wrap">
              <strong className="row">
                <StateIcon type="PAUSED" />
                {pause.input_schema == null ? "It waits until it is resumed" : "It waits for input"}
                {pause.key != null && <span className="muted">({pause.key})</span>}
              </strong>
              {operator && pause.kind !== "sleep" && (
                <Button look="primary narrow" onClick={() => setOpen(pause)}>
                  Resume…
                </Button>
              )}
            </span>
            {pause.description != null && <Markdown text={pause.description} under={1} />}
            {pause.problem != null && <span className="message">{pause.problem}</span>}
            <span className="muted small">
              Since <Time at={pause.begun} />
              {pause.deadline != null && (
                <>
                  {" "}
                  · until <Time at={pause.deadline} />
                </>
              )}
            </span>
          </li>
        ))}
      </ul>
      {open !== null && <ResumeDialog run={run} pause={open} onClose={() => setOpen(null)} />}
    </section>
  );
}

function ResumeDialog({ run, pause, onClose }: { run: FlowRun; pause: FlowRunPause; onClose: () => void }) {
  const [command, setCommand] = useState<string | null>(null);
  return (
    <Dialog title={`Resume ${run.name}`} onClose={onClose}>
      {command === null ? (
        <ResumeForm run={run} pause={pause} onCommand={setCommand} />
      ) : (
        <ResumedElsewhere command={command} />
      )}
    </Dialog>
  );
}

function ResumeForm({ run, pause, onCommand }: { run: FlowRun; pause: FlowRunPause; onCommand: (text: string) => void }) {
  const fields = fieldsOf(pause.input_schema);
  const [values, setValues] = useState<Record<string, string>>(() => startOf(fields ?? []));
  const [text, setText] = useState("{}");
  const asked = pause.input_schema != null;
  const input = !asked ? { json: null } : fields === null ? parsed(text) : inputOf(fields, values);
  async function resume() {
    const body = {
      input: (input?.json ?? null) as Record<string, unknown> | null,
      ...(pause.key == null ? {} : { key: pause.key }),
    };
    const resumed = await call("POST /api/flow-runs/{id}/resume", { path: { id: run.id }, body });
    await queryClient.invalidateQueries();
    if (resumed.how !== "to_be_executed") return undefined;
    onCommand(`dalsegno flow-run resume ${run.id}`);
    return "stay";
  }
  return (
    <DialogForm submit="Resume" disabled={input === undefined} action={resume}>
      {!asked && <p>It goes on where it waits.</p>}
      {asked && fields === null && (
        <Field label="Input, as JSON">
          <textarea className="input" value={text} spellCheck={false} onChange={(event) => setText(event.target.value)} />
        </Field>
      )}
      {asked &&
        fields?.map((field) => (
          <Input
            key={field.name}
            field={field}
            value={values[field.name] ?? ""}
            onChange={(value) => setValues({ ...values, [field.name]: value })}
          />
        ))}
    </DialogForm>
  );
}

function Input({ field, value, onChange }: { field: FormField; value: string; onChange: (value: string) => void }) {
  if (field.kind === "boolean") {
    return (
      <label className="choice">
        <input
          type="checkbox"
          checked={value === "true"}
          onChange={(event) => onChange(event.target.checked ? "true" : "false")}
        />
        <span>
          <strong>{field.title}</strong>
          {field.description !== undefined && <span className="muted"> {field.description}</span>}
        </span>
      </label>
    );
  }
  return (
    <Field label={field.title} hint={field.description}>
      {field.choices !== undefined ? (
        <select className="input" value={value} onChange={(event) => onChange(event.target.value)}>
          {field.choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice}
            </option>
          ))}
        </select>
      ) : (
        <input
          className="input"
          type={field.kind === "string" ? "text" : "number"}
          step={field.kind === "integer" ? 1 : "any"}
          required={field.required}
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  );
}

function ResumedElsewhere({ command }: { command: string }) {
  const close = useClose();
  return (
    <>
      <div className="dialog-body">
        <p>It was called in a script, and its process has ended. Where its code is, this executes it:</p>
        <Command text={command} />
      </div>
      <div className="dialog-foot">
        <Button onClick={close}>Close</Button>
      </div>
    </>
  );
}

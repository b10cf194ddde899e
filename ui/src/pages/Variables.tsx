// Variables: named values that flows share, to read and to change.
import { useState } from "react";
import { call } from "../api/client";
import { useLive } from "../api/live";
import { queryClient, usePages } from "../api/queries";
import type { Variable } from "../api/schema";
import { Button, Command, Dialog, DialogForm, Empty, Field, Loading, ProblemBox, Tags, Time } from "../design/components";
import "./pages.css";
import { parsed } from "../run/dialogs";
import { words } from "../runs/search";
import { useMay } from "../shell/me";

type Open = { edit: Variable | null } | { remove: Variable };

export default function Variables() {
  const variables = usePages("GET /api/variables", { query: { limit: 100 } }, { kinds: ["variable"] });
  const editor = useMay("editor");
  const [open, setOpen] = useState<Open | null>(null);
  const close = () => setOpen(null);
  useLive(["variable"]);
  return (
    <div className="content">
      <div className="page-head">
        <h1>Variables</h1>
        {editor && (
          <Button look="primary" onClick={() => setOpen({ edit: null })}>
            New variable…
          </Button>
        )}
      </div>
      <ProblemBox error={variables.error} retry={() => void variables.refetch()} />
      {variables.data === undefined && variables.error === null && <Loading />}
      {variables.data !== undefined && variables.items.length === 0 && (
        <Empty title="There are no variables">
          <p className="muted">
            Flows read them with <code>Variable.get("region")</code>. Make one here, or with:
          </p>
          <Command text="dalsegno variable set region eu-west" />
        </Empty>
      )}
      {variables.items.length > 0 && (
        <section className="card table-wrap" tabIndex={0} aria-label="Variables">
          <table className="table">
            <thead>
              <tr>
                <th>Name</th>
                <th>Value</th>
                <th className="wide-only">Tags</th>
                <th className="wide-only">Changed</th>
                <th>
                  <span className="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {variables.items.map((variable) => (
                <tr key={variable.name}>
                  <td className="mono">{variable.name}</td>
                  <td className="mono value">{shortened(variable.value)}</td>
                  <td className="wide-only">
                    <Tags tags={variable.tags} />
                  </td>
                  <td className="wide-only">
                    <Time at={variable.updated} />
                  </td>
                  <td className="end">
                    {editor && (
                      <span className="row actions">
                        <Button
                          look="narrow"
                          aria-label={`Change ${variable.name}`}
                          onClick={() => setOpen({ edit: variable })}
                        >
                          Change…
                        </Button>
                        <Button
                          look="narrow danger"
                          aria-label={`Delete ${variable.name}`}
                          onClick={() => setOpen({ remove: variable })}
                        >
                          Delete…
                        </Button>
                      </span>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      {variables.hasNextPage && <Button onClick={() => void variables.fetchNextPage()}>More</Button>}
      {open !== null && "edit" in open && <EditDialog variable={open.edit} onClose={close} />}
      {open !== null && "remove" in open && <RemoveDialog variable={open.remove} onClose={close} />}
    </div>
  );
}

function EditDialog({ variable, onClose }: { variable: Variable | null; onClose: () => void }) {
  const [name, setName] = useState(variable?.name ?? "");
  const [text, setText] = useState(variable === null ? "" : JSON.stringify(variable.value, null, 2));
  const [tags, setTags] = useState((variable?.tags ?? []).join(", "));
  const value = parsed(text);
  async function save() {
    await call("PUT /api/variables/{name}", {
      path: { name },
      body: { value: value?.json, tags: words(tags) },
      // A new one does not overwrite; a changed one is the one that was read.
      ...(variable === null ? { ifNoneMatch: "*" } : { ifMatch: variable.etag }),
    });
    await queryClient.invalidateQueries({ queryKey: ["GET /api/variables"] });
  }
  return (
    <Dialog title={variable === null ? "New variable" : `Change ${variable.name}`} onClose={onClose}>
      <DialogForm submit="Save" disabled={value === undefined || name === ""} action={save}>
        {variable === null && (
          <Field label="Name" hint="Lowercase letters, digits, dashes and underscores.">
            <input
              className="input"
              autoFocus
              required
              pattern="[a-z0-9_\-]{1,255}"
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          </Field>
        )}
        <Field
          label="Value, as JSON"
          hint={text !== "" && value === undefined ? "This is no JSON yet: texts stand in quotes." : 'Such as "eu-west", 17 or {"limit": 50}'}
        >
          <textarea className="input" value={text} spellCheck={false} onChange={(event) => setText(event.target.value)} />
        </Field>
        <Field label="Tags" hint="With commas between.">
          <input className="input" value={tags} onChange={(event) => setTags(event.target.value)} />
        </Field>
      </DialogForm>
    </Dialog>
  );
}

function RemoveDialog({ variable, onClose }: { variable: Variable; onClose: () => void }) {
  return (
    <Dialog title={`Delete ${variable.name}?`} onClose={onClose}>
      <DialogForm
        submit="Delete it"
        danger
        action={async () => {
          await call("DELETE /api/variables/{name}", { path: { name: variable.name }, ifMatch: variable.etag });
          await queryClient.invalidateQueries({ queryKey: ["GET /api/variables"] });
        }}
      >
        <p>Flows that read it get their default instead, or none.</p>
      </DialogForm>
    </Dialog>
  );
}

const LONGEST = 120;

function shortened(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

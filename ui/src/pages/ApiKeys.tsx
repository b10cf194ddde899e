// API keys: what programs show. The text of one is told once, when it is made.
import { useState } from "react";
import { call } from "../api/client";
import { queryClient, usePages } from "../api/queries";
import type { ApiKeyView, MadeApiKey, Me } from "../api/schema";
import { Button, Command, Dialog, DialogForm, Empty, Field, Loading, ProblemBox, Time } from "../design/components";
import { useMe } from "../shell/me";
import "./pages.css";
import { RoleField } from "./Users";

type Open = "make" | { made: MadeApiKey } | { remove: ApiKeyView };

export default function ApiKeys() {
  const keys = usePages("GET /api/api-keys", { query: { limit: 100 } });
  const [open, setOpen] = useState<Open | null>(null);
  const close = () => setOpen(null);
  return (
    <div className="content">
      <div className="page-head">
        <h1>API keys</h1>
        <Button look="primary" onClick={() => setOpen("make")}>
          New key…
        </Button>
      </div>
      <ProblemBox error={keys.error} retry={() => void keys.refetch()} />
      {keys.data === undefined && keys.error === null && <Loading />}
      {keys.data !== undefined && keys.items.length === 0 && (
        <Empty title="There are no API keys">
          <p className="muted">
            Programs show one as <code>DALSEGNO_API_KEY</code>. Make one here, or with:
          </p>
          <Command text="dalsegno api-key create nightly" />
        </Empty>
      )}
      {keys.items.length > 0 && (
        <section className="card table-wrap" tabIndex={0} aria-label="API keys">
          <table className="table">
            <thead>
              <tr>
                <th>Name</th>
                <th className="wide-only">Begins</th>
                <th>Role</th>
                <th className="wide-only">Whose</th>
                <th className="wide-only">Last used</th>
                <th>Ends</th>
                <th>
                  <span className="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {keys.items.map((key) => (
                <tr key={key.id}>
                  <td>
                    <strong>{key.name}</strong>
                  </td>
                  <td className="wide-only">
                    <code>{key.hint}…</code>
                  </td>
                  <td>{key.role}</td>
                  <td className="wide-only">{key.user_name ?? <span className="muted">–</span>}</td>
                  <td className="wide-only">
                    <Time at={key.last_used} />
                  </td>
                  <td>{key.expires === null ? <span className="muted">never</span> : <Time at={key.expires} />}</td>
                  <td className="end">
                    <Button
                      look="narrow danger"
                      aria-label={`Revoke ${key.name}`}
                      onClick={() => setOpen({ remove: key })}
                    >
                      Revoke…
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      {keys.hasNextPage && <Button onClick={() => void keys.fetchNextPage()}>More</Button>}
      {open === "make" && <MakeDialog onClose={close} onMade={(made) => setOpen({ made })} />}
      {open !== null && typeof open === "object" && "made" in open && <MadeDialog made={open.made} onClose={close} />}
      {open !== null && typeof open === "object" && "remove" in open && <RemoveDialog apiKey={open.remove} onClose={close} />}
    </div>
  );
}

async function refresh() {
  await queryClient.invalidateQueries({ queryKey: ["GET /api/api-keys"] });
}

function MakeDialog({ onClose, onMade }: { onClose: () => void; onMade: (made: MadeApiKey) => void }) {
  const me = useMe().data;
  const [name, setName] = useState("");
  const [role, setRole] = useState<Me["role"]>(me?.role ?? "viewer");
  const [days, setDays] = useState("");
  return (
    <Dialog title="New API key" onClose={onClose}>
      <DialogForm
        submit="Make the key"
        action={async () => {
          const expires = days === "" ? null : new Date(Date.now() + Number(days) * 86_400_000).toISOString();
          const made = await call("POST /api/api-keys", { body: { name, role, expires } });
          await refresh();
          onMade(made);
          return "stay";
        }}
      >
        <Field label="Name">
          <input className="input" autoFocus required value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
        <RoleField role={role} onRole={setRole} />
        <Field label="Days until it ends" hint="Empty: it does not end.">
          <input className="input" type="number" min={1} value={days} onChange={(event) => setDays(event.target.value)} />
        </Field>
      </DialogForm>
    </Dialog>
  );
}

function MadeDialog({ made, onClose }: { made: MadeApiKey; onClose: () => void }) {
  return (
    <Dialog title={`The key ${made.api_key.name}`} onClose={onClose}>
      <div className="dialog-body">
        <p>This is the only time that its text is told. Keep it where programs find it:</p>
        <Command text={made.key} />
      </div>
      <div className="dialog-foot">
        <Button look="primary" onClick={onClose}>
          I have it
        </Button>
      </div>
    </Dialog>
  );
}

function RemoveDialog({ apiKey, onClose }: { apiKey: ApiKeyView; onClose: () => void }) {
  return (
    <Dialog title={`Revoke ${apiKey.name}?`} onClose={onClose}>
      <DialogForm
        submit="Revoke it"
        danger
        action={async () => {
          await call("DELETE /api/api-keys/{id}", { path: { id: apiKey.id } });
          await refresh();
        }}
      >
        <p>Programs that show it are refused from now on.</p>
      </DialogForm>
    </Dialog>
  );
}

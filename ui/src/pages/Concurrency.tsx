// Concurrency limits: how much is done at one time, who holds the slots, how many wait.
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { call } from "../api/client";
import { useLive } from "../api/live";
import { queryClient, useAnswer, usePages } from "../api/queries";
import type { ConcurrencyLimit } from "../api/schema";
import "../artifacts/artifacts.css";
import { Button, Command, Dialog, DialogForm, Empty, Field, Loading, ProblemBox, Time, useClose } from "../design/components";
import { useMay } from "../shell/me";
import "./pages.css";

type Kind = "global" | "tag";
type Open = { make: Kind } | { edit: ConcurrencyLimit } | { remove: ConcurrencyLimit } | { holders: ConcurrencyLimit };

export default function Concurrency() {
  const [open, setOpen] = useState<Open | null>(null);
  const editor = useMay("editor");
  const close = () => setOpen(null);
  useLive(["concurrency-limit"]);
  return (
    <div className="content">
      <div className="page-head">
        <h1>Concurrency</h1>
        {editor && (
          <Button look="primary" onClick={() => setOpen({ make: "global" })}>
            New limit…
          </Button>
        )}
      </div>
      <Limits kind="global" title="Limits named in code" onOpen={setOpen}>
        <p className="muted">
          Code takes a slot with <code>with concurrency("database"):</code> once there is a limit of that name:
        </p>
        <Command text="dalsegno gcl create database --limit 5" />
      </Limits>
      <Limits kind="tag" title="Limits of task runs by tag" onOpen={setOpen}>
        <p className="muted">
          At most so many task runs with a tag, such as <code>@task(tags=["heavy"])</code>, run at one time:
        </p>
        <Command text="dalsegno concurrency-limit create heavy 2" />
      </Limits>
      {open !== null && "make" in open && <MakeDialog onClose={close} />}
      {open !== null && "edit" in open && <EditDialog limit={open.edit} onClose={close} />}
      {open !== null && "remove" in open && <RemoveDialog limit={open.remove} onClose={close} />}
      {open !== null && "holders" in open && <HoldersDialog limit={open.holders} onClose={close} />}
    </div>
  );
}

function Limits({
  kind,
  title,
  onOpen,
  children,
}: {
  kind: Kind;
  title: string;
  onOpen: (open: Open) => void;
  children: React.ReactNode;
}) {
  const limits = usePages(
    "GET /api/concurrency-limits",
    { query: { kind, limit: 100 } },
    { kinds: ["concurrency-limit"] },
  );
  const editor = useMay("editor");
  return (
    <section className="card" aria-label={title}>
      <div className="card-head">
        <h2>{title}</h2>
      </div>
      <ProblemBox error={limits.error} retry={() => void limits.refetch()} />
      {limits.data === undefined && limits.error === null && <Loading />}
      {limits.data !== undefined && limits.items.length === 0 && <Empty title="There are none">{children}</Empty>}
      {limits.items.length > 0 && (
        <div className="table-wrap" tabIndex={0} role="group" aria-label={title}>
          <table className="table">
            <thead>
              <tr>
                <th>Name</th>
                <th>Slots in use</th>
                <th>Waiting</th>
                <th className="wide-only">Come back</th>
                <th>
                  <span className="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {limits.items.map((limit) => (
                <tr key={limit.id}>
                  <td>
                    <strong>{limit.name}</strong>
                    {!limit.active && <span className="muted"> · switched off</span>}
                  </td>
                  <td>
                    <Meter limit={limit} />
                  </td>
                  <td className="number">{limit.waiting}</td>
                  <td className="number wide-only">
                    {limit.slot_decay_per_second > 0 ? `${limit.slot_decay_per_second} per second` : "when released"}
                  </td>
                  <td className="end">
                    <span className="row actions">
                      <Button
                        look="narrow"
                        aria-label={`Holders of ${limit.name}`}
                        onClick={() => onOpen({ holders: limit })}
                      >
                        Holders…
                      </Button>
                      {editor && (
                        <>
                          <Button
                            look="narrow"
                            aria-label={`Change ${limit.name}`}
                            onClick={() => onOpen({ edit: limit })}
                          >
                            Change…
                          </Button>
                          <Button
                            look="narrow danger"
                            aria-label={`Delete ${limit.name}`}
                            onClick={() => onOpen({ remove: limit })}
                          >
                            Delete…
                          </Button>
                        </>
                      )}
                    </span>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Meter({ limit }: { limit: ConcurrencyLimit }) {
  const share = limit.limit === 0 ? 100 : Math.min(100, (100 * limit.active_slots) / limit.limit);
  return (
    <span className="meter">
      <span className="number">
        {limit.active_slots} of {limit.limit}
      </span>
      <span className="progress" aria-hidden="true">
        <div style={{ width: `${share}%` }} />
      </span>
    </span>
  );
}

async function refresh() {
  await queryClient.invalidateQueries({ queryKey: ["GET /api/concurrency-limits"] });
}

function MakeDialog({ onClose }: { onClose: () => void }) {
  const [kind, setKind] = useState<Kind>("global");
  const [name, setName] = useState("");
  const [limit, setLimit] = useState("1");
  const [decay, setDecay] = useState("0");
  return (
    <Dialog title="New limit" onClose={onClose}>
      <DialogForm
        submit="Make it"
        disabled={name === ""}
        action={async () => {
          const body = { kind, name, limit: Number(limit), slot_decay_per_second: Number(decay) };
          await call("POST /api/concurrency-limits", { body });
          await refresh();
        }}
      >
        <Field label="Of">
          <select className="input" value={kind} onChange={(event) => setKind(event.target.value as Kind)}>
            <option value="global">what code names</option>
            <option value="tag">task runs with a tag</option>
          </select>
        </Field>
        <Field label={kind === "global" ? "Name" : "Tag"}>
          <input className="input" autoFocus required value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
        <Numbers limit={limit} onLimit={setLimit} decay={decay} onDecay={setDecay} />
      </DialogForm>
    </Dialog>
  );
}

function Numbers({
  limit,
  onLimit,
  decay,
  onDecay,
}: {
  limit: string;
  onLimit: (text: string) => void;
  decay: string;
  onDecay: (text: string) => void;
}) {
  return (
    <>
      <Field label="Slots" hint="0: nobody gets one.">
        <input className="input" type="number" min={0} required value={limit} onChange={(event) => onLimit(event.target.value)} />
      </Field>
      <Field label="Slots that come back by themselves, per second" hint="For rate limits; 0: they come back when they are released.">
        <input
          className="input"
          type="number"
          min={0}
          step="any"
          required
          value={decay}
          onChange={(event) => onDecay(event.target.value)}
        />
      </Field>
    </>
  );
}

function EditDialog({ limit, onClose }: { limit: ConcurrencyLimit; onClose: () => void }) {
  const [slots, setSlots] = useState(String(limit.limit));
  const [decay, setDecay] = useState(String(limit.slot_decay_per_second));
  const [active, setActive] = useState(limit.active);
  return (
    <Dialog title={`Change ${limit.name}`} onClose={onClose}>
      <DialogForm
        submit="Save"
        action={async () => {
          const body = { limit: Number(slots), slot_decay_per_second: Number(decay), active };
          await call("PATCH /api/concurrency-limits/{id}", { path: { id: limit.id }, body });
          await refresh();
        }}
      >
        <Numbers limit={slots} onLimit={setSlots} decay={decay} onDecay={setDecay} />
        <label className="choice">
          <input type="checkbox" checked={active} onChange={(event) => setActive(event.target.checked)} />
          <span>
            <strong>Active</strong>
            <span className="muted"> Otherwise it limits nothing.</span>
          </span>
        </label>
      </DialogForm>
    </Dialog>
  );
}

function RemoveDialog({ limit, onClose }: { limit: ConcurrencyLimit; onClose: () => void }) {
  return (
    <Dialog title={`Delete ${limit.name}?`} onClose={onClose}>
      <DialogForm
        submit="Delete it"
        danger
        action={async () => {
          await call("DELETE /api/concurrency-limits/{id}", { path: { id: limit.id } });
          await refresh();
        }}
      >
        <p>What holds its slots, or waits for one, goes on unlimited.</p>
      </DialogForm>
    </Dialog>
  );
}

function HoldersDialog({ limit, onClose }: { limit: ConcurrencyLimit; onClose: () => void }) {
  return (
    <Dialog title={`Who holds slots of ${limit.name}`} onClose={onClose}>
      <Holders limit={limit} />
    </Dialog>
  );
}

function Holders({ limit }: { limit: ConcurrencyLimit }) {
  const close = useClose();
  const operator = useMay("operator");
  const [error, setError] = useState<unknown>(null);
  const holders = useAnswer(
    "GET /api/concurrency-limits/{id}/holders",
    { path: { id: limit.id }, query: { limit: 200 } },
    { kinds: ["concurrency-limit"] },
  );
  async function free() {
    try {
      await call("POST /api/concurrency-limits/{id}/reset", { path: { id: limit.id } });
      await queryClient.invalidateQueries();
    } catch (raised) {
      setError(raised);
    }
  }
  const items = holders.data?.items ?? [];
  return (
    <>
      <div className="dialog-body">
        <ProblemBox error={error ?? holders.error} />
        {holders.data === undefined && holders.error === null && <Loading />}
        {holders.data !== undefined && items.length === 0 && <p className="muted">Nobody, at this moment.</p>}
        {items.length > 0 && (
          <table className="table">
            <thead>
              <tr>
                <th>Holder</th>
                <th>Slots</th>
                <th>Since</th>
              </tr>
            </thead>
            <tbody>
              {items.map((holder) => (
                <tr key={holder.id}>
                  <td>
                    {holder.task_run_id !== null ? (
                      <Link to="/task-runs/$id" params={{ id: holder.task_run_id }}>
                        {holder.holder}
                      </Link>
                    ) : holder.root_run_id !== null ? (
                      <Link to="/runs/$id" params={{ id: holder.root_run_id }}>
                        {holder.holder}
                      </Link>
                    ) : (
                      holder.holder
                    )}
                    {holder.key !== "" && <span className="muted"> for {holder.key}</span>}
                  </td>
                  <td className="number">{holder.slots}</td>
                  <td>
                    <Time at={holder.acquired} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </div>
      <div className="dialog-foot">
        <Button onClick={close}>Close</Button>
        {operator && items.length > 0 && (
          <Button look="danger" onClick={() => void free()}>
            Take all slots back
          </Button>
        )}
      </div>
    </>
  );
}

// Ctrl-K: go to a page, a flow or a run by typing a part of its name, or an id.
import { useNavigate } from "@tanstack/react-router";
import { type KeyboardEvent, useDeferredValue, useEffect, useRef, useState } from "react";
import { useAnswer } from "../api/queries";
import type { FlowRun, StateType } from "../api/schema";
import { StateIcon } from "../design/state";
import { useMay } from "./me";

interface Entry {
  key: string;
  title: string;
  hint: string;
  to: string;
  state?: StateType;
}

const PAGES: Entry[] = [
  ["Home", "/", "g h"],
  ["Flow runs", "/runs", "g r"],
  ["Failed flow runs", "/runs?state=FAILED,CRASHED", ""],
  ["Running flow runs", "/runs?state=RUNNING", ""],
  ["Task runs", "/task-runs", "g t"],
  ["Flows", "/flows", "g f"],
  ["Artifacts", "/artifacts", "g a"],
  ["Variables", "/variables", "g v"],
  ["Concurrency", "/concurrency", "g c"],
  ["API keys", "/api-keys", ""],
].map(([title, to, hint]) => ({ key: `page ${to}`, title: title as string, to: to as string, hint: hint as string }));
const ADMIN: Entry[] = [
  { key: "page users", title: "Users", to: "/users", hint: "" },
  { key: "page audit", title: "Audit log", to: "/audit-log", hint: "" },
];
const ID_PREFIX = /^[0-9a-f-]{6,36}$/i;

export function Palette({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate();
  const element = useRef<HTMLDialogElement>(null);
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const entries = useEntries(text.trim());
  const place = Math.min(chosen, Math.max(0, entries.length - 1));
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  useEffect(() => {
    document.getElementById(`found-${place}`)?.scrollIntoView({ block: "nearest" });
  }, [place]);
  function go(entry: Entry | undefined) {
    if (entry === undefined) return;
    onClose();
    void navigate({ href: entry.to });
  }
  function onKey(event: KeyboardEvent) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      setChosen((place + step + entries.length) % Math.max(1, entries.length));
    } else if (event.key === "Enter") {
      event.preventDefault();
      go(entries[place]);
    }
  }
  return (
    <dialog
      ref={element}
      className="dialog palette"
      aria-label="Find"
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => event.target === element.current && onClose()}
    >
      <input
        autoFocus
        role="combobox"
        aria-expanded="true"
        aria-controls="found"
        aria-activedescendant={entries.length > 0 ? `found-${place}` : undefined}
        aria-label="Page, flow, run or id"
        placeholder="Page, flow, run or id"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setChosen(0);
        }}
        onKeyDown={onKey}
      />
      <ul className="palette-list" id="found" role="listbox" aria-label="Found">
        {entries.map((entry, index) => (
          <li
            key={entry.key}
            id={`found-${index}`}
            role="option"
            aria-selected={index === place}
            onClick={() => go(entry)}
          >
            {entry.state !== undefined && <StateIcon type={entry.state} />}
            <span className="clip">{entry.title}</span>
            <span className="hint">{entry.hint}</span>
          </li>
        ))}
      </ul>
      {entries.length === 0 && <div className="empty muted">Nothing is called that.</div>}
    </dialog>
  );
}

function useEntries(text: string): Entry[] {
  const admin = useMay("admin");
  const asked = useDeferredValue(text);
  const searching = asked.length >= 2;
  const runs = useAnswer("GET /api/flow-runs", { query: { "name-like": asked, limit: 8 } }, { enabled: searching, keep: true });
  const byId = useAnswer(
    "GET /api/flow-runs",
    { query: { "id-prefix": asked, limit: 5 } },
    { enabled: ID_PREFIX.test(asked), keep: true },
  );
  const flows = useAnswer("GET /api/flows", { query: { limit: 200 } });
  const pages = (admin ? [...PAGES, ...ADMIN] : PAGES).filter((page) => contains(page.title, text));
  if (text === "") return pages;
  const named = (flows.data?.items ?? [])
    .filter((flow) => contains(flow.name, text))
    .slice(0, 6)
    .map((flow) => ({
      key: `flow ${flow.name}`,
      title: flow.name,
      hint: "flow",
      to: `/flows/${encodeURIComponent(flow.name)}`,
    }));
  const found = new Map<string, Entry>();
  for (const run of [...(byId.data?.items ?? []), ...(searching ? (runs.data?.items ?? []) : [])]) {
    found.set(run.id, entryOf(run));
  }
  return [...pages, ...named, ...found.values()];
}

function entryOf(run: FlowRun): Entry {
  return { key: run.id, title: run.name, hint: run.flow_name, to: `/runs/${run.id}`, state: run.state.type };
}

function contains(title: string, text: string): boolean {
  return title.toLowerCase().includes(text.toLowerCase());
}

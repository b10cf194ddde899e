// The bar of filters above a list of runs. What is chosen goes into the address.
import { useEffect, useId, useState } from "react";
import { useAnswer } from "../api/queries";
import type { StateType } from "../api/schema";
import { Button } from "../design/components";
import { STATE_TYPES, StateIcon } from "../design/state";
import "./runs.css";
import { type Since, SINCE, stateTypes, type TaskRunSearch } from "./search";

export type Changes = { [K in keyof TaskRunSearch]?: TaskRunSearch[K] | undefined };

const SINCE_NAMES: Record<Since, string> = { "1h": "Last hour", "24h": "Last day", "7d": "Last week", "30d": "Last 30 days" };
const PAUSE = 250; // milliseconds after the last key at which a text counts

export function Filters({
  search,
  onChange,
  forTasks = false,
}: {
  search: TaskRunSearch;
  onChange: (changes: Changes) => void;
  forTasks?: boolean;
}) {
  const flows = useAnswer("GET /api/flows", { query: { limit: 200 } });
  const list = useId();
  const filtered = Object.keys(search).length > 0;
  return (
    <div className="filters">
      <States chosen={stateTypes(search)} onChange={(types) => onChange({ state: types.join(",") || undefined })} />
      <TextFilter label="Name" value={search.name} onChange={(name) => onChange({ name })} focusKey />
      <TextFilter label="Flow" value={search.flow} onChange={(flow) => onChange({ flow })} list={list} />
      <datalist id={list}>
        {(flows.data?.items ?? []).map((flow) => (
          <option key={flow.name} value={flow.name} />
        ))}
      </datalist>
      {forTasks && <TextFilter label="Task" value={search.task} onChange={(task) => onChange({ task })} />}
      <TextFilter label="Tags" value={search.tag} onChange={(tag) => onChange({ tag })} />
      <select
        className="input"
        aria-label="Since"
        value={search.since ?? ""}
        onChange={(event) => onChange({ since: (event.target.value || undefined) as Since | undefined })}
      >
        <option value="">Any time</option>
        {(Object.keys(SINCE) as Since[]).map((since) => (
          <option key={since} value={since}>
            {SINCE_NAMES[since]}
          </option>
        ))}
      </select>
      {!forTasks && (
        <label className="row">
          <input
            type="checkbox"
            checked={search.nested ?? false}
            onChange={(event) => onChange({ nested: event.target.checked || undefined })}
          />
          Nested too
        </label>
      )}
      {filtered && (
        <Button
          look="quiet"
          onClick={() =>
            onChange({
              state: undefined,
              flow: undefined,
              tag: undefined,
              name: undefined,
              since: undefined,
              nested: undefined,
              task: undefined,
            })
          }
        >
          Clear
        </Button>
      )}
    </div>
  );
}

function States({ chosen, onChange }: { chosen: StateType[]; onChange: (types: StateType[]) => void }) {
  function toggle(type: StateType) {
    onChange(chosen.includes(type) ? chosen.filter((each) => each !== type) : [...chosen, type]);
  }
  return (
    <div className="state-filter" role="group" aria-label="States">
      {STATE_TYPES.map((type) => (
        <button
          key={type}
          type="button"
          aria-pressed={chosen.includes(type)}
          aria-label={titleOf(type)}
          title={titleOf(type)}
          onClick={() => toggle(type)}
        >
          <StateIcon type={type} />
        </button>
      ))}
    </div>
  );
}

function titleOf(type: StateType): string {
  return type.charAt(0) + type.slice(1).toLowerCase();
}

function TextFilter({
  label,
  value = "",
  onChange,
  list,
  focusKey = false,
}: {
  label: string;
  value?: string | undefined;
  onChange: (value: string | undefined) => void;
  list?: string;
  focusKey?: boolean;
}) {
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  useEffect(() => {
    if (text === value) return;
    const timer = setTimeout(() => onChange(text || undefined), PAUSE);
    return () => clearTimeout(timer);
    // Only what is typed starts the clock.
  }, [text]);
  return (
    <input
      className="input text-filter"
      type="search"
      aria-label={label}
      placeholder={label}
      value={text}
      list={list}
      onChange={(event) => setText(event.target.value)}
      {...(focusKey ? { "data-filter": "" } : {})}
    />
  );
}

// The list of flow runs: filters in the address, pages as one scrolls, and things to do to many at once.
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import type { Query } from "../api/client";
import { useLive } from "../api/live";
import { useAnswer, usePages } from "../api/queries";
import type { FlowRun, FlowRunFilter, StateCounts } from "../api/schema";
import { Button, Command, Duration, Empty, Loading, ProblemBox, Tags, Time } from "../design/components";
import { Cell, HeadCell, List } from "../design/list";
import { StateLabel } from "../design/state";
import { useMay } from "../shell/me";
import { useNarrow } from "../shell/narrow";
import { type BulkAction, BulkDialog, type Chosen } from "./bulk";
import { type Changes, Filters } from "./Filters";
import { begin, type RunSearch, stateTypes, words } from "./search";

const PAGE = 100;

export default function FlowRuns() {
  const search = useSearch({ from: "/runs" });
  const navigate = useNavigate({ from: "/runs" });
  const change = useCallback(
    (changes: Changes) => {
      void navigate({ search: (now) => without({ ...now, ...changes }) as RunSearch, replace: true });
    },
    [navigate],
  );
  useLive(["flow-run"]);
  return (
    <div className="content filling">
      <div className="page-head">
        <h1>Flow runs</h1>
      </div>
      <Filters search={search} onChange={change} />
      <FlowRunList search={search} wholesale={Object.keys(search).length > 0} />
    </div>
  );
}

/** Flow runs that fit, newest first; with `wholesale`, things to do to all of them at once. */
export function FlowRunList({ search, wholesale = false }: { search: RunSearch; wholesale?: boolean }) {
  const query = useMemo(() => queryOf(search), [search]);
  const runs = usePages("GET /api/flow-runs", { query: { ...query, limit: PAGE } }, { kinds: ["flow-run"], keep: true });
  const counts = useAnswer("GET /api/flow-runs/count", { query }, { kinds: ["flow-run"], keep: true });
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [action, setAction] = useState<{ action: BulkAction; chosen: Chosen } | null>(null);
  const operator = useMay("operator");
  const narrow = useNarrow();
  const toggle = useCallback((id: string) => setSelected((now) => toggled(now, id)), []);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = runs;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  if (runs.error !== null) return <ProblemBox error={runs.error} retry={() => void runs.refetch()} />;
  if (runs.data === undefined) return <Loading />;
  if (runs.items.length === 0 && !hasNextPage) return <NoRuns filtered={Object.keys(search).length > 0} />;
  return (
    <>
      {operator && selected.size > 0 && (
        <div className="bulk" role="region" aria-label="Selected runs">
          <strong className="grow">{selected.size} selected</strong>
          <BulkButtons onAction={(each) => setAction({ action: each, chosen: { ids: [...selected] } })} />
          <Button look="quiet" onClick={() => setSelected(new Set())}>
            Select none
          </Button>
        </div>
      )}
      {operator && selected.size === 0 && wholesale && (
        <div className="row wrap">
          <span className="muted">All that fit:</span>
          <BulkButtons onAction={(each) => setAction({ action: each, chosen: { filter: filterOf(search) } })} />
        </div>
      )}
      <List
        label="Flow runs"
        items={runs.items}
        keyOf={idOf}
        rowHeight={narrow ? 66 : 46}
        columns={narrow ? "20px minmax(0,1fr) auto" : "20px minmax(130px,1fr) minmax(0,1.6fr) minmax(0,1fr) 130px 110px"}
        selected={(run) => selected.has(run.id)}
        more={more}
        head={
          narrow ? undefined : (
            <>
              <HeadCell>
                <span className="visually-hidden">Selected</span>
              </HeadCell>
              <HeadCell>State</HeadCell>
              <HeadCell>Run</HeadCell>
              <HeadCell>Tags</HeadCell>
              <HeadCell>Started</HeadCell>
              <HeadCell>Duration</HeadCell>
            </>
          )
        }
        row={(run) => <Row run={run} narrow={narrow} selected={selected.has(run.id)} onToggle={operator ? toggle : null} />}
        foot={<Counts counts={counts.data} shown={runs.items.length} />}
      />
      {action !== null && (
        <BulkDialog
          {...action}
          onClose={() => setAction(null)}
          onDone={() => {
            setSelected(new Set());
          }}
        />
      )}
    </>
  );
}

function BulkButtons({ onAction }: { onAction: (action: BulkAction) => void }) {
  return (
    <>
      <Button look="narrow" onClick={() => onAction("retry")}>
        Pick up…
      </Button>
      <Button look="narrow" onClick={() => onAction("cancel")}>
        Cancel…
      </Button>
      <Button look="narrow danger" onClick={() => onAction("delete")}>
        Delete…
      </Button>
    </>
  );
}

function Row({
  run,
  narrow,
  selected,
  onToggle,
}: {
  run: FlowRun;
  narrow: boolean;
  selected: boolean;
  onToggle: ((id: string) => void) | null;
}) {
  const box = (
    <Cell>
      {onToggle !== null && (
        <input
          type="checkbox"
          aria-label={`Select ${run.name}`}
          checked={selected}
          onChange={() => onToggle(run.id)}
        />
      )}
    </Cell>
  );
  const names = (
    <Cell className="two">
      <Link to="/runs/$id" params={{ id: run.id }} className="title-link clip">
        {run.name}
      </Link>
      <span className="muted small clip">{run.flow_name}</span>
    </Cell>
  );
  if (narrow) {
    return (
      <>
        {box}
        {names}
        <Cell className="two">
          <StateLabel state={run.state} />
          <span className="muted small">
            <Time at={run.start_time ?? run.created} relative />
          </span>
        </Cell>
      </>
    );
  }
  return (
    <>
      {box}
      <Cell>
        <StateLabel state={run.state} />
      </Cell>
      {names}
      <Cell>
        <Tags tags={run.tags} />
      </Cell>
      <Cell>
        <Time at={run.start_time ?? run.created} />
      </Cell>
      <Cell>
        <Duration start={run.start_time} end={run.end_time} />
      </Cell>
    </>
  );
}

function NoRuns({ filtered }: { filtered: boolean }) {
  if (filtered) return <Empty title="No run fits these filters" />;
  return (
    <Empty title="Nothing has run yet">
      <p className="muted">Call a flow in a script, or run one from its file:</p>
      <Command text="dalsegno run nightly.py" />
    </Empty>
  );
}

export function Counts({ counts, shown }: { counts: StateCounts | undefined; shown: number }) {
  if (counts === undefined) return <>{shown} shown</>;
  const names = Object.entries(counts.by_state_name).sort(([, one], [, other]) => other - one);
  const total = `${counts.at_least ? "at least " : ""}${counts.total.toLocaleString()}`;
  return (
    <span className="number">
      {total} in all{names.length > 0 && ": "}
      {names.map(([name, count]) => `${count.toLocaleString()} ${name}`).join(", ")}
    </span>
  );
}

function queryOf(search: RunSearch): Query<"GET /api/flow-runs/count"> {
  return defined({
    "state-type": stateTypes(search),
    "flow-name": words(search.flow),
    tag: words(search.tag),
    "name-like": search.name,
    "created-after": begin(search.since),
    "top-level": search.nested !== true,
  });
}

function filterOf(search: RunSearch): FlowRunFilter {
  return defined({
    state_types: stateTypes(search),
    flow_names: words(search.flow),
    tags: words(search.tag),
    name_like: search.name,
    created_after: begin(search.since),
  });
}

/** Leave out what is undefined, as exact optional properties want it. */
export function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
const without = defined;

const idOf = (run: { id: string }) => run.id;

function toggled(now: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const next = new Set(now);
  if (!next.delete(id)) next.add(id);
  return next;
}

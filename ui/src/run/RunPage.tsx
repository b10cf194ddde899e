// One flow run: what broke at the top, then its timeline, logs and the rest.
import { Link, useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useCallback, useMemo, useState } from "react";
import { useLive } from "../api/live";
import { useAnswer } from "../api/queries";
import type { FlowRun } from "../api/schema";
import { ArtifactList } from "../artifacts/ArtifactList";
import { Button, Duration, Empty, isMissing, Json, Loading, ProblemBox, Tags, Time } from "../design/components";
import { ENDED, StateIcon } from "../design/state";
import { LogView } from "../logs/LogView";
import { TaskRunList } from "../runs/TaskRuns";
import { useMay } from "../shell/me";
import { type Node, useGraph, versionOf } from "../timeline/graph";
import { Timeline } from "../timeline/Timeline";
import { isBroken, useBroken } from "./broke";
import { Details } from "./Details";
import { CancelDialog, DeleteDialog, PauseDialog, StateDialog } from "./dialogs";
import { Pauses } from "./Pauses";
import { PickUpDialog } from "./PickUp";
import "./run.css";
import { SelectedTaskRun } from "./SelectedTaskRun";
import { WhatBroke } from "./WhatBroke";

const TABS = ["timeline", "logs", "task-runs", "artifacts", "parameters", "details"] as const;
type Tab = (typeof TABS)[number];
const TITLES: Record<Tab, string> = {
  timeline: "Timeline",
  logs: "Logs",
  "task-runs": "Task runs",
  artifacts: "Artifacts",
  parameters: "Parameters",
  details: "Details",
};

export default function RunPage() {
  const { id } = useParams({ from: "/runs/$id" });
  const run = useAnswer("GET /api/flow-runs/{id}", { path: { id } }, { kinds: ["flow-run", "task-run"] });
  useLive(["flow-run", "task-run", "log", "artifact"], run.data?.root_run_id ?? id);
  if (isMissing(run.error)) {
    return (
      <div className="content">
        <Empty title="There is no such flow run">
          <p className="muted">It was deleted, or its time was over.</p>
          <Link to="/runs" className="button">
            All flow runs
          </Link>
        </Empty>
      </div>
    );
  }
  if (run.data === undefined) {
    return (
      <div className="content">
        {run.error === null ? <Loading /> : <ProblemBox error={run.error} retry={() => void run.refetch()} />}
      </div>
    );
  }
  return <Loaded key={id} run={run.data} />;
}

type Open = "cancel" | "pause" | "delete" | "state" | { pickUp: string | null };

function Loaded({ run }: { run: FlowRun }) {
  const graph = useGraph(run.id, versionOf(run));
  const nodes = useMemo(() => graph.data ?? [], [graph.data]);
  const broken = useBroken(run, nodes);
  const search = useSearch({ from: "/runs/$id" });
  const tab = TABS.find((each) => each === search.tab) ?? "timeline";
  const [open, setOpen] = useState<Open | null>(null);
  const close = () => setOpen(null);
  return (
    <div className="content">
      <Head run={run} onOpen={setOpen} />
      {run.pauses != null && run.pauses.length > 0 && <Pauses run={run} pauses={run.pauses} />}
      {isBroken(run) && <WhatBroke run={run} broken={broken} onPickUp={(from) => setOpen({ pickUp: from })} />}
      <nav className="tabs" aria-label="Of this run">
        {TABS.map((each) => (
          <Link
            key={each}
            to="/runs/$id"
            params={{ id: run.id }}
            search={each !== "timeline" ? { tab: each } : search.task === undefined ? {} : { task: search.task }}
            activeOptions={{ exact: true, includeSearch: true }}
            replace
          >
            {TITLES[each]}
          </Link>
        ))}
      </nav>
      {graph.error !== null && tab === "timeline" ? (
        <ProblemBox error={graph.error} retry={() => void graph.refetch()} />
      ) : (
        <TabBody tab={tab} run={run} nodes={graph.data} onPickUp={(from) => setOpen({ pickUp: from })} />
      )}
      {open === "cancel" && <CancelDialog run={run} onClose={close} />}
      {open === "pause" && <PauseDialog run={run} onClose={close} />}
      {open === "delete" && <DeleteDialog run={run} onClose={close} />}
      {open === "state" && <StateDialog run={run} onClose={close} />}
      {open !== null && typeof open === "object" && (
        <PickUpDialog run={run} nodes={nodes} from={open.pickUp} onClose={close} />
      )}
    </div>
  );
}

function Head({ run, onOpen }: { run: FlowRun; onOpen: (open: Open) => void }) {
  const ended = ENDED.includes(run.state.type);
  return (
    <header className="run-head">
      <div className="row apart wrap">
        <h1 className="row">
          <StateIcon type={run.state.type} size={20} />
          {run.name}
        </h1>
        <Actions run={run} ended={ended} onOpen={onOpen} />
      </div>
      <div className="run-facts">
        <span>
          <span>{run.state.name}</span>
        </span>
        <span>
          Flow{" "}
          <Link to="/flows/$name" params={{ name: run.flow_name }}>
            {run.flow_name}
          </Link>
        </span>
        <span>
          Started <Time at={run.start_time ?? run.created} />
        </span>
        <span>
          Took <Duration start={run.start_time} end={run.end_time} />
        </span>
        {run.attempt > 1 && (
          <span>
            Attempt <span className="number">{run.attempt}</span>
          </span>
        )}
        {run.root_run_id !== run.id && (
          <span>
            Nested in{" "}
            <Link to="/runs/$id" params={{ id: run.root_run_id }}>
              its root run
            </Link>
          </span>
        )}
        {run.forked_from !== null && (
          <span>
            Started from{" "}
            <Link to="/runs/$id" params={{ id: run.forked_from }}>
              another run
            </Link>
          </span>
        )}
        <Tags tags={run.tags} />
      </div>
      {!isBroken(run) && run.state.message != null && <p className="muted">{run.state.message}</p>}
    </header>
  );
}

function Actions({ run, ended, onOpen }: { run: FlowRun; ended: boolean; onOpen: (open: Open) => void }) {
  const operator = useMay("operator");
  // What is nested is picked up, cancelled and deleted with its root.
  if (!operator || run.root_run_id !== run.id) return null;
  return (
    <div className="row wrap">
      {ended ? (
        <>
          <Button look={isBroken(run) ? "primary" : ""} onClick={() => onOpen({ pickUp: null })}>
            {run.state.type === "COMPLETED" ? "Run again…" : "Pick up…"}
          </Button>
          <Button onClick={() => onOpen("state")}>Set state…</Button>
          <Button look="danger" onClick={() => onOpen("delete")}>
            Delete…
          </Button>
        </>
      ) : (
        <>
          {run.state.type === "RUNNING" && <Button onClick={() => onOpen("pause")}>Pause…</Button>}
          <Button look="danger" onClick={() => onOpen("cancel")}>
            Cancel…
          </Button>
          <Button onClick={() => onOpen("state")}>Set state…</Button>
        </>
      )}
    </div>
  );
}

function TabBody({
  tab,
  run,
  nodes,
  onPickUp,
}: {
  tab: Tab;
  run: FlowRun;
  nodes: Node[] | undefined;
  onPickUp: (from: string) => void;
}) {
  const logsOf = useMemo(() => ({ "flow-run-id": run.id }), [run.id]);
  switch (tab) {
    case "timeline":
      return nodes === undefined ? <Loading /> : <TimelineTab run={run} nodes={nodes} onPickUp={onPickUp} />;
    case "logs":
      return (
        <div className="fill">
          <LogView of={logsOf} download={`/api/flow-runs/${run.id}/logs/download`} />
        </div>
      );
    case "task-runs":
      return (
        <div className="fill">
          <TaskRunList query={{ "flow-run-id": [run.id] }} filtered={false} oldestFirst />
        </div>
      );
    case "artifacts":
      return <ArtifactList query={{ "flow-run-id": run.id }} />;
    case "parameters":
      return <Parameters parameters={run.parameters} />;
    case "details":
      return <Details run={run} />;
  }
}

function Parameters({ parameters }: { parameters: unknown }) {
  const none = parameters === null || (typeof parameters === "object" && Object.keys(parameters).length === 0);
  return none ? <Empty title="It has no parameters" /> : <Json value={parameters} label="Parameters" />;
}

function TimelineTab({ run, nodes, onPickUp }: { run: FlowRun; nodes: Node[]; onPickUp: (from: string) => void }) {
  const search = useSearch({ from: "/runs/$id" });
  const navigate = useNavigate({ from: "/runs/$id" });
  const selected = search.task ?? null;
  const onSelect = useCallback(
    (node: Node | null) => {
      void navigate({ search: node === null ? {} : { task: node.id }, replace: true, resetScroll: false });
    },
    [navigate],
  );
  const onOpen = useCallback(
    (node: Node) => {
      if (node.childFlowRun === null) void navigate({ to: "/task-runs/$id", params: { id: node.id } });
      else void navigate({ to: "/runs/$id", params: { id: node.childFlowRun }, search: {} });
    },
    [navigate],
  );
  if (nodes.length === 0) {
    return (
      <Empty title={ENDED.includes(run.state.type) ? "It called no task" : "It has called no task yet"}>
        <p className="muted">
          Functions with <code>@task</code> that the flow calls show here, each as a bar on time.
        </p>
      </Empty>
    );
  }
  return (
    <>
      <Timeline
        nodes={nodes}
        attempt={run.attempt}
        version={versionOf(run)}
        selected={selected}
        onSelect={onSelect}
        onOpen={onOpen}
      />
      {selected !== null && <SelectedTaskRun id={selected} onPickUp={() => onPickUp(selected)} />}
    </>
  );
}

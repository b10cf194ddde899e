// The flows that were run, by name.
import { Link } from "@tanstack/react-router";
import { useCallback } from "react";
import { useLive } from "../api/live";
import { type Item, usePages } from "../api/queries";
import { Command, Empty, Loading, ProblemBox, Time } from "../design/components";
import { Cell, HeadCell, List } from "../design/list";
import { useNarrow } from "../shell/narrow";

type Flow = Item<"GET /api/flows">;

export default function Flows() {
  const flows = usePages("GET /api/flows", { query: { limit: 100 } }, { kinds: ["flow-run"] });
  const narrow = useNarrow();
  useLive(["flow-run"]);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = flows;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  return (
    <div className="content filling">
      <div className="page-head">
        <h1>Flows</h1>
      </div>
      <ProblemBox error={flows.error} retry={() => void flows.refetch()} />
      {flows.data === undefined && flows.error === null && <Loading />}
      {flows.data !== undefined && flows.items.length === 0 && (
        <Empty title="No flow has run yet">
          <p className="muted">Call one in a script, or run it from its file:</p>
          <Command text="dalsegno run nightly.py" />
        </Empty>
      )}
      {flows.items.length > 0 && (
        <List
          label="Flows"
          items={flows.items}
          keyOf={(flow) => flow.name}
          rowHeight={56}
          columns={narrow ? "minmax(0,1fr) auto" : "minmax(0,2fr) 120px 150px 150px"}
          more={more}
          head={
            narrow ? undefined : (
              <>
                <HeadCell>Flow</HeadCell>
                <HeadCell>Runs</HeadCell>
                <HeadCell>Last state</HeadCell>
                <HeadCell>Last run</HeadCell>
              </>
            )
          }
          row={(flow) => <Row flow={flow} narrow={narrow} />}
        />
      )}
    </div>
  );
}

function Row({ flow, narrow }: { flow: Flow; narrow: boolean }) {
  return (
    <>
      <Cell className="two">
        <Link to="/flows/$name" params={{ name: flow.name }} className="title-link clip">
          {flow.name}
        </Link>
        <span className="muted small clip">{flow.description ?? (flow.version === null ? "" : `version ${flow.version.slice(0, 12)}`)}</span>
      </Cell>
      {!narrow && (
        <Cell className="number">
          {flow.run_count_at_least && "at least "}
          {flow.run_count.toLocaleString()}
        </Cell>
      )}
      <Cell>{flow.last_state ?? "–"}</Cell>
      {!narrow && (
        <Cell>
          <Time at={flow.last_run} />
        </Cell>
      )}
    </>
  );
}

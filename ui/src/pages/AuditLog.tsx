// Who changed what, or tried to. For administrators.
import { useCallback } from "react";
import { type Item, usePages } from "../api/queries";
import { Button, Empty, Loading, ProblemBox, Time } from "../design/components";
import { Cell, HeadCell, List } from "../design/list";
import { useNarrow } from "../shell/narrow";

type Entry = Item<"GET /api/audit-log">;

export default function AuditLog() {
  const entries = usePages("GET /api/audit-log", { query: { limit: 100 } });
  const narrow = useNarrow();
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = entries;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  return (
    <div className="content filling">
      <div className="page-head">
        <h1>Audit log</h1>
        <Button onClick={() => void entries.refetch()}>Read again</Button>
      </div>
      <ProblemBox error={entries.error} retry={() => void entries.refetch()} />
      {entries.data === undefined && entries.error === null && <Loading />}
      {entries.data !== undefined && entries.items.length === 0 && (
        <Empty title="Nobody has changed anything yet">
          <p className="muted">Each change that is asked for, done or refused, is noted here with who asked.</p>
        </Empty>
      )}
      {entries.items.length > 0 && (
        <List
          label="Audit log"
          items={entries.items}
          keyOf={(entry) => entry.id}
          rowHeight={narrow ? 66 : 44}
          columns={narrow ? "minmax(0,1fr) auto" : "130px minmax(90px,160px) minmax(0,2fr) minmax(0,1.2fr) 150px"}
          more={more}
          head={
            narrow ? undefined : (
              <>
                <HeadCell>When</HeadCell>
                <HeadCell>Who</HeadCell>
                <HeadCell>What</HeadCell>
                <HeadCell>To what</HeadCell>
                <HeadCell>Answer</HeadCell>
              </>
            )
          }
          row={(entry) => <Row entry={entry} narrow={narrow} />}
        />
      )}
    </div>
  );
}

function Row({ entry, narrow }: { entry: Entry; narrow: boolean }) {
  if (narrow) {
    return (
      <>
        <Cell className="two">
          <span className="mono clip">{whatOf(entry)}</span>
          <span className="muted small clip">
            {entry.actor} · <Time at={entry.timestamp} />
          </span>
        </Cell>
        <Cell>{answerOf(entry)}</Cell>
      </>
    );
  }
  return (
    <>
      <Cell>
        <Time at={entry.timestamp} />
      </Cell>
      <Cell>
        <span title={`${entry.via}, from ${entry.address ?? "an unknown address"}`}>{entry.actor}</span>
      </Cell>
      <Cell className="mono">{whatOf(entry)}</Cell>
      <Cell className="mono">{entry.target ?? entry.summary ?? ""}</Cell>
      <Cell>{answerOf(entry)}</Cell>
    </>
  );
}

function whatOf(entry: Entry): string {
  return `${entry.method} ${entry.route.replace(/:\w+\}/g, "}")}`;
}

function answerOf(entry: Entry): string {
  if (entry.status === null) return "never answered";
  if (entry.status < 300) return "done";
  return entry.status === 403 || entry.status === 401 ? `refused (${entry.status})` : `failed (${entry.status})`;
}

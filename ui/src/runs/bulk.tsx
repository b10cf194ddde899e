// Something done to many runs: first what would happen, then, when that is agreed to, done page by page.
import { useEffect, useState } from "react";
import { call } from "../api/client";
import { queryClient } from "../api/queries";
import type { BulkAnswer, BulkItem, FlowRunFilter, Outcome } from "../api/schema";
import { Button, Copy, Dialog, Loading, ProblemBox, useClose } from "../design/components";
import { StateLabel } from "../design/state";

export type BulkAction = "retry" | "cancel" | "delete";
export type Chosen = { ids: string[] } | { filter: FlowRunFilter };

const TITLES: Record<BulkAction, string> = { retry: "Pick up runs", cancel: "Cancel runs", delete: "Delete runs" };
const DO: Record<BulkAction, string> = { retry: "Pick up", cancel: "Cancel", delete: "Delete" };
const OUTCOMES: Record<Outcome, string> = {
  done: "done",
  would_be_done: "will be done",
  unchanged: "stays as it is",
  refused: "cannot be done",
};
const COMMAND = /dalsegno flow-run retry [0-9a-f-]{36}/;

export function BulkDialog({
  action,
  chosen,
  onClose,
  onDone,
}: {
  action: BulkAction;
  chosen: Chosen;
  onClose: () => void;
  onDone: () => void;
}) {
  return (
    <Dialog title={TITLES[action]} onClose={onClose}>
      <Body action={action} chosen={chosen} onDone={onDone} />
    </Dialog>
  );
}

function Body({ action, chosen, onDone }: { action: BulkAction; chosen: Chosen; onDone: () => void }) {
  const close = useClose();
  const [answer, setAnswer] = useState<BulkAnswer | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [done, setDone] = useState<BulkItem[] | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    const controller = new AbortController();
    call(operation(action), { body: { ...chosen, dry_run: true }, signal: controller.signal }).then(
      setAnswer,
      (raised) => controller.signal.aborted || setError(raised),
    );
    return () => controller.abort();
  }, [action, chosen]);

  async function perform() {
    setBusy(true);
    setError(null);
    const items: BulkItem[] = [];
    try {
      let cursor: string | null = null;
      do {
        const part: BulkAnswer = await call(operation(action), {
          body: cursor === null ? chosen : { ...chosen, cursor },
        });
        items.push(...part.items);
        cursor = part.next_cursor;
      } while (cursor !== null);
      onDone();
    } catch (raised) {
      setError(raised);
    }
    setDone(items);
    setBusy(false);
    await queryClient.invalidateQueries();
  }

  const items = done ?? answer?.items ?? [];
  const possible = items.filter((item) => item.outcome === "would_be_done").length;
  const commands = items.flatMap((item) => COMMAND.exec(item.detail ?? "")?.[0] ?? []);
  return (
    <>
      <div className="dialog-body">
        <ProblemBox error={error} />
        {answer === null && error === null && <Loading />}
        {answer !== null && done === null && <p>{preview(answer)}</p>}
        {done !== null && <p role="status">{summary(done)}</p>}
        {items.length > 0 && (
          <ul className="bulk-list" tabIndex={0} aria-label="Runs">
            {items.map((item) => (
              <li key={item.id}>
                <strong className="clip">{item.name ?? item.id}</strong>
                <span className="muted clip">{item.flow_name}</span>
                {item.state !== null && <StateLabel state={item.state} />}
                <span className="muted">{OUTCOMES[item.outcome]}</span>
                {item.detail != null && <span className="detail">{item.detail}</span>}
              </li>
            ))}
          </ul>
        )}
        {commands.length > 0 && (
          <div className="row wrap">
            <span className="grow muted">
              What was called in a script is picked up where its code is, with these commands.
            </span>
            <Copy text={commands.join("\n")} label={commands.length === 1 ? "Copy the command" : "Copy the commands"} />
          </div>
        )}
      </div>
      <div className="dialog-foot">
        <Button onClick={close}>{done === null ? "Leave it" : "Close"}</Button>
        {done === null && (possible > 0 || answer?.next_cursor != null) && (
          <Button look={action === "delete" ? "danger" : "primary"} disabled={busy} onClick={() => void perform()}>
            {DO[action]} {answer?.next_cursor == null ? possible : "all that can be"}
          </Button>
        )}
      </div>
    </>
  );
}

function operation(action: BulkAction) {
  return `POST /api/flow-runs/bulk/${action}` as const;
}

function preview(answer: BulkAnswer): string {
  const count = `${answer.count_at_least ? "At least " : ""}${answer.count.toLocaleString()}`;
  const rest = answer.next_cursor === null ? "" : ` The first ${answer.items.length} are these.`;
  return `${count} ${answer.count === 1 ? "run fits" : "runs fit"}.${rest}`;
}

function summary(items: BulkItem[]): string {
  const done = items.filter((item) => item.outcome === "done").length;
  const refused = items.filter((item) => item.outcome === "refused").length;
  return `${done} done${refused > 0 ? `, ${refused} could not be` : ""}.`;
}

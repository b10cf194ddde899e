// Live changes: one stream of server-sent events for the page that is shown. An event says which kinds of things
// changed; the queries that show them are asked again. Nothing is asked for by the clock.
import { useEffect } from "react";
import { type Kind, queryClient } from "./queries";

interface Change {
  kinds: Kind[];
  root_run_ids: string[] | null;
}

type Listener = (kinds: ReadonlySet<Kind> | "all") => void;
const listeners = new Set<Listener>();

const LEAST_PAUSE = 150; // milliseconds between two rounds of asking again

/** Keep what is shown true while the page is open. */
export function useLive(kinds: readonly Kind[], rootRunId?: string): void {
  const key = kinds.join(",");
  useEffect(() => {
    if (key === "") return;
    return follow(key.split(",") as Kind[], rootRunId);
  }, [key, rootRunId]);
}

/** Be told of the changes that the page's stream brings. */
export function useChanges(listener: Listener): void {
  useEffect(() => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, [listener]);
}

function follow(kinds: Kind[], rootRunId: string | undefined): () => void {
  const parameters = new URLSearchParams(kinds.map((kind) => ["kind", kind]));
  if (rootRunId !== undefined) parameters.append("root-run-id", rootRunId);
  const refresher = new Refresher();
  let source: EventSource | null = null;
  let lost = false;

  function open() {
    source = new EventSource(`/api/live?${parameters}`);
    source.addEventListener("change", (event) => {
      const change = JSON.parse((event as MessageEvent<string>).data) as Change;
      refresher.add(change.kinds.length === 0 ? kinds : change.kinds);
    });
    source.onopen = () => {
      if (lost) refresher.add(kinds);
      lost = false;
    };
    source.onerror = () => {
      lost = true;
      // The browser asks again by itself unless the answer was a refusal: then somebody's login has ended.
      if (source?.readyState === EventSource.CLOSED) {
        source = null;
        void queryClient.invalidateQueries({ queryKey: ["GET /api/me"] });
      }
    };
  }

  // A browser keeps few connections to one server: tabs that nobody looks at leave theirs to others.
  function onVisibility() {
    if (document.hidden) {
      source?.close();
      source = null;
    } else if (source === null) {
      open();
      refresher.add(kinds);
    }
  }

  open();
  document.addEventListener("visibilitychange", onVisibility);
  return () => {
    document.removeEventListener("visibilitychange", onVisibility);
    source?.close();
    refresher.stop();
  };
}

/** Asks again for what changed, one round at a time, each after a pause that is longer where answers are slow. */
class Refresher {
  private waiting = new Set<Kind>();
  private busy = false;
  private stopped = false;

  add(kinds: readonly Kind[]) {
    for (const kind of kinds) this.waiting.add(kind);
    if (!this.busy) void this.work();
  }

  stop() {
    this.stopped = true;
  }

  private async work() {
    this.busy = true;
    while (this.waiting.size > 0 && !this.stopped) {
      const kinds = this.waiting;
      this.waiting = new Set();
      const start = performance.now();
      for (const listener of listeners) listener(kinds);
      await queryClient.invalidateQueries({
        predicate: (query) => ((query.meta?.["kinds"] as Kind[] | undefined) ?? []).some((kind) => kinds.has(kind)),
      });
      const pause = Math.max(LEAST_PAUSE, 2 * (performance.now() - start));
      await new Promise((done) => setTimeout(done, pause));
    }
    this.busy = false;
  }
}

// A window on a log of any length: it begins at the end (or at the beginning), and grows at either side as one scrolls
// and as lines are written. Cursors of both orders are the same, so each side goes on from the line that it ends with.
import { useCallback, useEffect, useRef, useState } from "react";
import { call, type Query } from "../api/client";
import { useChanges } from "../api/live";
import type { Log } from "../api/schema";

export type LogQuery = Omit<Query<"GET /api/logs">, "cursor" | "order" | "limit">;

export interface LogWindow {
  lines: Log[];
  /** Lines were added before those that were there: how many, and when. */
  prepended: { count: number; turn: number };
  atBeginning: boolean;
  atEnd: boolean;
  loaded: boolean;
  error: unknown;
}

const STEP = 500;
const EMPTY: LogWindow = {
  lines: [],
  prepended: { count: 0, turn: 0 },
  atBeginning: false,
  atEnd: false,
  loaded: false,
  error: null,
};

interface Ends {
  first: string | null;
  last: string | null;
}

export function useLogWindow(query: LogQuery, from: "end" | "beginning") {
  const [window_, setWindow] = useState(EMPTY);
  const ends = useRef<Ends>({ first: null, last: null });
  const busy = useRef<AbortController | null>(null);
  const again = useRef(false);
  const key = JSON.stringify(query);

  const load = useCallback(
    async (work: (signal: AbortSignal) => Promise<void>) => {
      const controller = new AbortController();
      busy.current = controller;
      try {
        await work(controller.signal);
      } catch (error) {
        if (!controller.signal.aborted) setWindow((now) => ({ ...now, loaded: true, error }));
      } finally {
        if (busy.current === controller) busy.current = null;
      }
    },
    [],
  );

  const ask = useCallback(
    (signal: AbortSignal, more: Partial<Query<"GET /api/logs">>) =>
      call("GET /api/logs", { query: { ...(JSON.parse(key) as LogQuery), limit: STEP, ...more }, signal }),
    [key],
  );

  const later = useCallback(async () => {
    if (busy.current !== null) {
      again.current = true;
      return;
    }
    do {
      again.current = false;
      await load(async (signal) => {
        const page = await ask(signal, { order: "oldest", ...cursor(ends.current.last) });
        if (ends.current.first === null && page.items.length > 0) {
          ends.current.first = page.last_cursor ?? null;
        }
        ends.current.last = page.last_cursor ?? ends.current.last;
        setWindow((now) => ({
          ...now,
          lines: page.items.length > 0 ? [...now.lines, ...page.items] : now.lines,
          atEnd: page.next_cursor === null,
          loaded: true,
          error: null,
        }));
      });
    } while (again.current);
  }, [ask, load]);

  const earlier = useCallback(async () => {
    if (busy.current !== null || ends.current.first === null) return;
    await load(async (signal) => {
      const page = await ask(signal, { order: "newest", ...cursor(ends.current.first) });
      ends.current.first = page.last_cursor ?? ends.current.first;
      setWindow((now) => ({
        ...now,
        lines: [...page.items.reverse(), ...now.lines],
        prepended: { count: page.items.length, turn: now.prepended.turn + 1 },
        atBeginning: page.next_cursor === null,
      }));
    });
  }, [ask, load]);

  useEffect(() => {
    busy.current?.abort();
    busy.current = null;
    ends.current = { first: null, last: null };
    setWindow(EMPTY);
    if (from === "beginning") {
      setWindow({ ...EMPTY, atBeginning: true });
      void later();
      return () => busy.current?.abort();
    }
    void load(async (signal) => {
      // The newest line alone first: its cursor is where lines that come later go on.
      const newest = await ask(signal, { order: "newest", limit: 1 });
      ends.current.last = newest.last_cursor ?? null;
      const before =
        newest.next_cursor === null ? null : await ask(signal, { order: "newest", ...cursor(newest.last_cursor ?? null) });
      ends.current.first = before?.last_cursor ?? newest.last_cursor ?? null;
      setWindow({
        ...EMPTY,
        lines: [...(before?.items ?? []).reverse(), ...newest.items],
        atBeginning: before === null || before.next_cursor === null,
        atEnd: true,
        loaded: true,
      });
    });
    return () => busy.current?.abort();
  }, [ask, from, later, load]);

  const atEnd = window_.atEnd;
  useChanges(
    useCallback(
      (kinds) => {
        if (atEnd && (kinds === "all" || kinds.has("log"))) void later();
      },
      [atEnd, later],
    ),
  );
  return { ...window_, earlier, later };
}

function cursor(text: string | null): { cursor?: string } {
  return text === null ? {} : { cursor: text };
}

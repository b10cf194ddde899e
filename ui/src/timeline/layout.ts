// Where things stand on a timeline: rows, the axis of time, the critical path. Pure functions.
import type { Node } from "./graph";

export interface Row {
  node: Node;
  depth: number;
  /** Null: nothing to unfold. */
  unfolded: boolean | null;
}

/** The rows, oldest first; those of unfolded nested flow runs below the one that stands for them. */
export function rowsOf(nodes: Node[], nested: ReadonlyMap<string, Node[]>, open: ReadonlySet<string>): Row[] {
  const rows: Row[] = [];
  function add(some: Node[], depth: number) {
    for (const node of some) {
      const child = node.childFlowRun;
      const unfolded = child === null ? null : open.has(child);
      rows.push({ node, depth, unfolded });
      if (child !== null && unfolded === true) add(nested.get(child) ?? [], depth + 1);
    }
  }
  add(nodes, 0);
  return rows;
}

interface Piece {
  start: number;
  end: number;
  /** Where it begins on the axis, in milliseconds of time that is shown. */
  at: number;
}

/** Time without the long spans in which nothing ran, such as the night between a failure and its retry. */
export class Axis {
  readonly length: number;
  /** Places where time was left out, and how much. */
  readonly breaks: { at: number; gap: number }[];

  constructor(
    private readonly pieces: Piece[],
    private readonly gap: number,
  ) {
    const last = pieces.at(-1);
    this.length = last === undefined ? 1 : last.at + (last.end - last.start);
    this.breaks = pieces.slice(1).map((piece, index) => ({
      at: piece.at - gap / 2,
      gap: piece.start - (pieces[index] as Piece).end,
    }));
  }

  /** The place of a time on the axis. */
  at(time: number): number {
    let before: Piece | undefined;
    for (const piece of this.pieces) {
      if (time < piece.start) return before === undefined ? time - piece.start : piece.at - this.gap / 2;
      if (time <= piece.end) return piece.at + (time - piece.start);
      before = piece;
    }
    return before === undefined ? 0 : before.at + (time - before.start);
  }

  /** The time at a place. */
  time(at: number): number {
    const piece = this.pieces.findLast((each) => each.at <= at) ?? this.pieces[0];
    return piece === undefined ? 0 : Math.min(piece.start + (at - piece.at), Math.max(piece.end, piece.start));
  }

  get begin(): number {
    return this.pieces[0]?.start ?? 0;
  }
}

const LEAST_BREAK = 0.25; // of the time in which something ran
const SHORTEST_BREAK = 1_000; // milliseconds
const SHOWN_BREAK = 0.03;

export function axisOf(spans: { start: number; end: number }[]): Axis {
  if (spans.length === 0) return new Axis([{ start: 0, end: 1, at: 0 }], 0);
  const sorted = [...spans].sort((one, other) => one.start - other.start);
  const merged: { start: number; end: number }[] = [];
  for (const span of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && span.start <= last.end) last.end = Math.max(last.end, span.end);
    else merged.push({ ...span });
  }
  const busy = Math.max(1, merged.reduce((sum, span) => sum + span.end - span.start, 0));
  const least = Math.max(SHORTEST_BREAK, busy * LEAST_BREAK);
  const gap = busy * SHOWN_BREAK;
  const pieces: Piece[] = [];
  for (const span of merged) {
    const last = pieces.at(-1);
    if (last === undefined) pieces.push({ ...span, at: 0 });
    else if (span.start - last.end <= least) last.end = span.end;
    else pieces.push({ ...span, at: last.at + (last.end - last.start) + gap });
  }
  return new Axis(pieces, gap);
}

export function spansOf(rows: Row[], now: number): { start: number; end: number }[] {
  return rows.flatMap(({ node }) =>
    node.start === null ? [] : [{ start: node.start, end: Math.max(node.start, node.end ?? now) }],
  );
}

/** What the end of the run waited for: from the task run that ended last back to the first, each by what it needed
 * last, or, where it needed nothing, by what ended last before it began. */
export function criticalPath(nodes: Node[], now: number): Set<string> {
  const started = nodes.filter((node) => node.start !== null);
  const byId = new Map(started.map((node) => [node.id, node]));
  const byEnd = [...started].sort((one, other) => endOf(one, now) - endOf(other, now));
  const path = new Set<string>();
  let node = byEnd.at(-1);
  while (node !== undefined && !path.has(node.id)) {
    path.add(node.id);
    const needed: Node[] = node.upstream.flatMap((id) => byId.get(id) ?? []);
    node =
      needed.length > 0
        ? needed.reduce((one, other) => (endOf(other, now) > endOf(one, now) ? other : one))
        : lastBefore(byEnd, node.start as number, now);
  }
  return path;
}

function lastBefore(byEnd: Node[], time: number, now: number): Node | undefined {
  let low = 0;
  let high = byEnd.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (endOf(byEnd[middle] as Node, now) <= time) low = middle + 1;
    else high = middle;
  }
  return byEnd[low - 1];
}

const endOf = (node: Node, now: number): number => node.end ?? now;

/** For each task run those that needed it. */
export function downstreamOf(rows: Row[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { node } of rows) {
    for (const id of node.upstream) {
      const list = found.get(id);
      if (list === undefined) found.set(id, [node.id]);
      else list.push(node.id);
    }
  }
  return found;
}

const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 216e5, 432e5, 864e5];

/** The distance of ticks so that at most so many are shown. */
export function tickStep(shown: number, most: number): number {
  return STEPS.find((step) => shown / step <= most) ?? shown / most;
}

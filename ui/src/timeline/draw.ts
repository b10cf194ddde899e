// Draws the rows of a timeline that are seen on a canvas. It is handed all it needs, and remembers nothing.
import type { StateType } from "../api/schema";
import { duration } from "../text/times";
import type { Node } from "./graph";
import { type Axis, type Row, tickStep } from "./layout";

export const ROW = 26;
export const HEAD = 26;

export interface View {
  rows: Row[];
  placeOf: ReadonlyMap<string, number>;
  downstream: ReadonlyMap<string, string[]>;
  axis: Axis;
  /** What of the axis is shown. */
  from: number;
  to: number;
  top: number;
  width: number;
  height: number;
  gutter: number;
  now: number;
  attempt: number;
  hovered: string | null;
  selected: string | null;
  critical: ReadonlySet<string> | null;
}

export interface Colours {
  states: Record<StateType, string>;
  text: string;
  muted: string;
  line: string;
  surface: string;
  sunken: string;
  soft: string;
  accent: string;
  font: string;
}

export function readColours(element: Element): Colours {
  const style = getComputedStyle(element);
  const of = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const types: StateType[] = ["COMPLETED", "FAILED", "CRASHED", "RUNNING", "SCHEDULED", "PENDING", "PAUSED", "CANCELLED", "CANCELLING"];
  return {
    states: Object.fromEntries(types.map((type) => [type, of(type.toLowerCase())])) as Record<StateType, string>,
    text: of("text"),
    muted: of("muted"),
    line: of("line"),
    surface: of("surface"),
    sunken: of("sunken"),
    soft: of("accent-soft"),
    accent: of("accent"),
    font: style.fontFamily,
  };
}

export function draw(context: CanvasRenderingContext2D, view: View, colours: Colours): void {
  const { width, height, gutter } = view;
  context.fillStyle = colours.surface;
  context.fillRect(0, 0, width, height);
  const first = Math.max(0, Math.floor(view.top / ROW));
  const last = Math.min(view.rows.length - 1, Math.floor((view.top + height - HEAD) / ROW));
  drawRowGrounds(context, view, colours, first, last);
  context.save();
  context.beginPath();
  context.rect(gutter, 0, width - gutter, height);
  context.clip();
  drawTicks(context, view, colours);
  for (let place = first; place <= last; place++) drawBar(context, view, colours, place);
  drawEdges(context, view, colours);
  context.restore();
  for (let place = first; place <= last; place++) drawLabel(context, view, colours, place);
  drawHead(context, view, colours);
}

export function xOf(view: View, time: number): number {
  const share = (view.axis.at(time) - view.from) / (view.to - view.from);
  return view.gutter + share * (view.width - view.gutter - 12);
}

function yOf(view: View, place: number): number {
  return HEAD + place * ROW - view.top;
}

function drawRowGrounds(context: CanvasRenderingContext2D, view: View, colours: Colours, first: number, last: number) {
  for (let place = first; place <= last; place++) {
    const id = (view.rows[place] as Row).node.id;
    const colour = id === view.selected ? colours.soft : id === view.hovered ? colours.sunken : null;
    if (colour === null) continue;
    context.fillStyle = colour;
    context.fillRect(0, yOf(view, place), view.width, ROW);
  }
}

function drawTicks(context: CanvasRenderingContext2D, view: View, colours: Colours) {
  context.strokeStyle = colours.line;
  context.lineWidth = 1;
  for (const tick of ticksOf(view)) {
    const x = Math.round(xOf(view, view.axis.begin) + tick.offset) + 0.5;
    context.beginPath();
    context.moveTo(x, HEAD);
    context.lineTo(x, view.height);
    context.stroke();
  }
  context.setLineDash([3, 4]);
  context.strokeStyle = colours.muted;
  for (const { at } of view.axis.breaks) {
    const x = Math.round(placeX(view, at)) + 0.5;
    context.beginPath();
    context.moveTo(x, HEAD);
    context.lineTo(x, view.height);
    context.stroke();
  }
  context.setLineDash([]);
}

function placeX(view: View, at: number): number {
  return view.gutter + ((at - view.from) / (view.to - view.from)) * (view.width - view.gutter - 12);
}

function ticksOf(view: View): { offset: number; label: string }[] {
  const shown = view.to - view.from;
  const step = tickStep(shown, Math.max(2, Math.floor((view.width - view.gutter) / 96)));
  const base = placeX(view, 0);
  const ticks: { offset: number; label: string }[] = [];
  for (let at = Math.ceil(Math.max(0, view.from) / step) * step; at <= view.to; at += step) {
    // Behind a break the time since the beginning is more than what is shown of it.
    const time = view.axis.time(at) - view.axis.begin;
    ticks.push({ offset: placeX(view, at) - base, label: at === 0 ? "0" : `+${duration(time)}` });
  }
  return ticks;
}

function drawHead(context: CanvasRenderingContext2D, view: View, colours: Colours) {
  context.fillStyle = colours.surface;
  context.fillRect(0, 0, view.width, HEAD);
  context.fillStyle = colours.line;
  context.fillRect(0, HEAD - 1, view.width, 1);
  context.fillRect(view.gutter, 0, 1, view.height);
  context.fillStyle = colours.muted;
  context.font = `11px ${colours.font}`;
  context.textBaseline = "middle";
  const base = placeX(view, 0);
  let free = view.gutter;
  for (const { at, gap } of view.axis.breaks) {
    const x = placeX(view, at);
    if (x < view.gutter) continue;
    const label = `⋯ ${duration(gap)}`;
    context.fillText(label, x - context.measureText(label).width / 2, HEAD / 2);
  }
  const marks = view.axis.breaks.map(({ at }) => placeX(view, at));
  for (const tick of ticksOf(view)) {
    const x = base + tick.offset + 4;
    const wide = context.measureText(tick.label).width;
    if (x < free || x + wide > view.width || marks.some((mark) => Math.abs(mark - x - wide / 2) < 34 + wide / 2)) continue;
    context.fillText(tick.label, x, HEAD / 2);
    free = x + wide + 10;
  }
}

function drawBar(context: CanvasRenderingContext2D, view: View, colours: Colours, place: number) {
  const { node } = view.rows[place] as Row;
  if (node.start === null) return;
  const y = yOf(view, place) + 6;
  const x = xOf(view, node.start);
  const right = Math.max(x + 3, xOf(view, node.end ?? view.now));
  if (right < view.gutter || x > view.width) return;
  const faded = (view.critical !== null && !view.critical.has(node.id)) || node.superseded;
  context.globalAlpha = faded ? 0.28 : 1;
  context.fillStyle = colours.states[node.type];
  context.beginPath();
  context.roundRect(x, y, right - x, ROW - 12, 3);
  context.fill();
  if (isReplayed(node, view.attempt)) hatch(context, colours, x, y, right - x);
  if (node.end === null && node.type === "RUNNING") {
    context.fillStyle = colours.surface;
    context.globalAlpha = 0.55;
    context.fillRect(right - 3, y + 3, 1.5, ROW - 18);
  }
  context.globalAlpha = 1;
}

/** A replayed one did not run in this attempt: light, with stripes. */
function hatch(context: CanvasRenderingContext2D, colours: Colours, x: number, y: number, width: number) {
  context.save();
  context.clip();
  context.strokeStyle = colours.surface;
  context.globalAlpha = 0.6;
  context.lineWidth = 2;
  const left = Math.max(0, x - 20);
  const most = Math.min(x + width, left + 4_000);
  context.beginPath();
  for (let at = left; at < most + 20; at += 7) {
    context.moveTo(at, y + ROW);
    context.lineTo(at + ROW, y - 4);
  }
  context.stroke();
  context.restore();
}

export function isReplayed(node: Node, attempt: number): boolean {
  return node.attempt < attempt && !node.superseded && node.end !== null && node.type === "COMPLETED";
}

function drawLabel(context: CanvasRenderingContext2D, view: View, colours: Colours, place: number) {
  const { node, depth, unfolded } = view.rows[place] as Row;
  const middle = yOf(view, place) + ROW / 2;
  const left = 10 + depth * 14;
  context.save();
  context.beginPath();
  context.rect(0, HEAD, view.gutter - 6, view.height);
  context.clip();
  context.globalAlpha = node.superseded ? 0.5 : 1;
  if (unfolded !== null) drawFold(context, colours, left, middle, unfolded);
  drawMark(context, colours, node.type, left + 20, middle);
  context.fillStyle = colours.text;
  context.font = `12.5px ${colours.font}`;
  context.textBaseline = "middle";
  const again = isReplayed(node, view.attempt) ? "  ↺" : node.runCount > 1 ? `  ×${node.runCount}` : "";
  context.fillText(node.name + again, left + 32, middle + 0.5);
  context.restore();
}

function drawFold(context: CanvasRenderingContext2D, colours: Colours, x: number, y: number, open: boolean) {
  context.fillStyle = colours.muted;
  context.beginPath();
  if (open) {
    context.moveTo(x, y - 2.5);
    context.lineTo(x + 8, y - 2.5);
    context.lineTo(x + 4, y + 3.5);
  } else {
    context.moveTo(x + 1, y - 4);
    context.lineTo(x + 1, y + 4);
    context.lineTo(x + 7, y);
  }
  context.fill();
}

/** A small sign for each type of state, in the shapes of the icons. */
function drawMark(context: CanvasRenderingContext2D, colours: Colours, type: StateType, x: number, y: number) {
  context.fillStyle = context.strokeStyle = colours.states[type];
  context.lineWidth = 1.6;
  context.beginPath();
  if (type === "FAILED") {
    context.rect(x - 4, y - 4, 8, 8);
    context.fill();
    cross(context, colours, x, y);
  } else if (type === "CRASHED") {
    context.moveTo(x, y - 5);
    context.lineTo(x + 5, y + 4);
    context.lineTo(x - 5, y + 4);
    context.fill();
  } else if (type === "COMPLETED") {
    context.arc(x, y, 4.2, 0, 7);
    context.fill();
  } else {
    if (type === "PENDING" || type === "CANCELLING") context.setLineDash([2, 2]);
    context.arc(x, y, 4, 0, 7);
    context.stroke();
    context.setLineDash([]);
    context.beginPath();
    if (type === "RUNNING") context.arc(x, y, 1.8, 0, 7);
    context.fill();
    if (type === "CANCELLED" || type === "CANCELLING") {
      context.moveTo(x - 3, y + 3);
      context.lineTo(x + 3, y - 3);
      context.stroke();
    }
  }
}

function cross(context: CanvasRenderingContext2D, colours: Colours, x: number, y: number) {
  context.strokeStyle = colours.surface;
  context.lineWidth = 1.4;
  context.beginPath();
  context.moveTo(x - 2, y - 2);
  context.lineTo(x + 2, y + 2);
  context.moveTo(x + 2, y - 2);
  context.lineTo(x - 2, y + 2);
  context.stroke();
}

const MOST_EDGES = 400;

/** What the hovered (or selected) one needed, and what needed it. */
function drawEdges(context: CanvasRenderingContext2D, view: View, colours: Colours) {
  const id = view.hovered ?? view.selected;
  const place = id === null ? undefined : view.placeOf.get(id);
  if (id === null || place === undefined) return;
  context.strokeStyle = colours.accent;
  context.lineWidth = 1.5;
  const node = (view.rows[place] as Row).node;
  for (const each of node.upstream.slice(0, MOST_EDGES)) edge(context, view, view.placeOf.get(each), place);
  for (const each of (view.downstream.get(id) ?? []).slice(0, MOST_EDGES)) edge(context, view, place, view.placeOf.get(each));
}

function edge(context: CanvasRenderingContext2D, view: View, from: number | undefined, to: number | undefined) {
  if (from === undefined || to === undefined) return;
  const source = (view.rows[from] as Row).node;
  const target = (view.rows[to] as Row).node;
  if (source.start === null) return;
  const x = xOf(view, source.end ?? view.now);
  const end = target.start === null ? Math.min(x + 40, view.width - 16) : xOf(view, target.start);
  const y = yOf(view, from) + ROW / 2;
  const bottom = yOf(view, to) + ROW / 2;
  const bend = Math.max(14, Math.min(60, Math.abs(end - x) / 2));
  context.beginPath();
  context.moveTo(x, y);
  context.bezierCurveTo(x + bend, y, end - bend, bottom, end - 2, bottom);
  context.stroke();
  context.beginPath();
  context.moveTo(end, bottom);
  context.lineTo(end - 6, bottom - 3.5);
  context.lineTo(end - 6, bottom + 3.5);
  context.fillStyle = context.strokeStyle;
  context.fill();
}

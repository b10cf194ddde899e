// The timeline of a flow run, which is its graph too: bars on time, what each needed on hover and selection. Only what
// is seen is drawn, on a canvas that stays while the rows scroll below it.
import { type KeyboardEvent, type PointerEvent, useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Button, useClock } from "../design/components";
import { draw, HEAD, readColours, ROW, type Colours, type View } from "./draw";
import { type Node, useGraphs } from "./graph";
import { axisOf, criticalPath, downstreamOf, rowsOf, spansOf } from "./layout";
import "./timeline.css";

interface Props {
  nodes: Node[];
  attempt: number;
  /** Of the graph; see there. */
  version: string | null;
  selected: string | null;
  onSelect: (node: Node | null) => void;
  onOpen: (node: Node) => void;
}

const MOST_HEIGHT = 0.56; // of the window

export function Timeline({ nodes, attempt, version, selected, onSelect, onOpen }: Props) {
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [showsCritical, setShowsCritical] = useState(false);
  const [zoom, setZoom] = useState<{ from: number; to: number } | null>(null);
  const nested = useGraphs(
    useMemo(() => [...open], [open]),
    version,
  );
  const rows = useMemo(() => rowsOf(nodes, nested, open), [nodes, nested, open]);
  const going = useMemo(() => rows.some(({ node }) => node.start !== null && node.end === null), [rows]);
  const clock = useClock(going);
  const now = Math.max(clock, latest(nodes));
  const axis = useMemo(() => axisOf(spansOf(rows, now)), [rows, now]);
  const critical = useMemo(() => (showsCritical ? criticalPath(nodes, now) : null), [showsCritical, nodes, now]);
  const placeOf = useMemo(() => new Map(rows.map((row, place) => [row.node.id, place])), [rows]);
  const downstream = useMemo(() => downstreamOf(rows), [rows]);
  const { from, to } = zoom ?? { from: 0, to: axis.length };
  const scene = { rows, placeOf, downstream, axis, from, to, now, attempt, selected, critical };
  const { scroller, canvas, hover, viewOf } = useCanvas(scene);

  function fold(node: Node) {
    const child = node.childFlowRun;
    if (child === null) return;
    const next = new Set(open);
    if (!next.delete(child)) next.add(child);
    setOpen(next);
  }
  function scale(factor: number, around = 0.5) {
    const width = Math.min(axis.length, Math.max(axis.length / 5_000, (to - from) * factor));
    const middle = from + (to - from) * around;
    const begin = Math.max(0, Math.min(axis.length - width, middle - width * around));
    setZoom(width >= axis.length ? null : { from: begin, to: begin + width });
  }
  function shift(share: number) {
    const width = to - from;
    const begin = Math.max(0, Math.min(axis.length - width, from + share * width));
    if (zoom !== null) setZoom({ from: begin, to: begin + width });
  }
  useWheel(scroller, viewOf, scale, shift);
  const drag = useDrag(shift, viewOf);

  function onClick(event: PointerEvent) {
    if (drag.moved()) return;
    const at = place(event, scroller.current);
    const row = at === null ? undefined : rows[at.row];
    if (row === undefined || at === null) return;
    if (row.unfolded !== null && at.x < 26 + row.depth * 14) fold(row.node);
    else onSelect(row.node.id === selected ? null : row.node);
  }
  function onKey(event: KeyboardEvent) {
    const current = selected === null ? -1 : (placeOf.get(selected) ?? -1);
    const row = rows[current];
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      const next = rows[Math.max(0, Math.min(rows.length - 1, current + step))];
      if (next !== undefined) {
        onSelect(next.node);
        reveal(scroller.current, placeOf.get(next.node.id) ?? 0);
      }
    } else if (event.key === "Enter" && row !== undefined) onOpen(row.node);
    else if (event.key === "ArrowRight" && row?.unfolded === false) fold(row.node);
    else if (event.key === "ArrowLeft" && row?.unfolded === true) fold(row.node);
    else if (event.key === "Escape" && selected !== null) onSelect(null);
    else if (event.key === "+") scale(0.6);
    else if (event.key === "-") scale(1.6);
    else if (event.key === "0") setZoom(null);
    else return;
    event.preventDefault();
  }

  const height = Math.min(rows.length * ROW + HEAD + 4, Math.max(220, window.innerHeight * MOST_HEIGHT));
  return (
    <div className="timeline">
      <div className="timeline-bar">
        <span className="grow muted small number">
          {nodes.length.toLocaleString()} task {nodes.length === 1 ? "run" : "runs"}
          {nodes.some((node) => node.attempt < attempt) && " · striped ↺: kept from an earlier attempt"}
        </span>
        <Button look="narrow" aria-pressed={showsCritical} onClick={() => setShowsCritical(!showsCritical)}>
          {showsCritical ? "✓ " : ""}Critical path
        </Button>
        <Button look="narrow" aria-label="Zoom in" onClick={() => scale(0.5)}>
          +
        </Button>
        <Button look="narrow" aria-label="Zoom out" onClick={() => scale(2)}>
          −
        </Button>
        <Button look="narrow" disabled={zoom === null} onClick={() => setZoom(null)}>
          All
        </Button>
      </div>
      <div
        ref={scroller}
        className="timeline-scroll"
        role="application"
        aria-label="Timeline. Arrows choose a task run, Enter opens it, plus and minus zoom."
        tabIndex={0}
        style={{ height }}
        onPointerMove={(event) => {
          drag.move(event);
          const at = place(event, scroller.current);
          hover(at === null ? null : (rows[at.row]?.node.id ?? null));
        }}
        onPointerLeave={() => hover(null)}
        onPointerDown={drag.start}
        onPointerUp={drag.stop}
        onClick={(event) => onClick(event as unknown as PointerEvent)}
        onDoubleClick={(event) => {
          const at = place(event, scroller.current);
          const row = at === null ? undefined : rows[at.row];
          if (row !== undefined) onOpen(row.node);
        }}
        onKeyDown={onKey}
      >
        <canvas ref={canvas} />
        <div style={{ height: Math.max(0, rows.length * ROW + HEAD - height + 4) }} />
      </div>
      <p className="visually-hidden" aria-live="polite">
        {describe(rows[selected === null ? -1 : (placeOf.get(selected) ?? -1)]?.node)}
      </p>
    </div>
  );
}

type Scene = Omit<View, "top" | "width" | "height" | "gutter" | "hovered">;

/** Draws a scene whenever it, its size or its place changes, once a frame at most. */
function useCanvas(scene: Scene) {
  const scroller = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const latestScene = useRef(scene);
  const hovered = useRef<string | null>(null);
  const frame = useRef(0);
  const colours = useRef<Colours | null>(null);
  latestScene.current = scene;

  const viewOf = useCallback((): View => {
    const element = scroller.current as HTMLDivElement;
    const width = element.clientWidth;
    return {
      ...latestScene.current,
      top: element.scrollTop,
      width,
      height: element.clientHeight,
      gutter: Math.min(260, Math.max(110, width * 0.3)),
      hovered: hovered.current,
    };
  }, []);
  const request = useCallback(() => {
    if (frame.current !== 0) return;
    frame.current = requestAnimationFrame(() => {
      frame.current = 0;
      const element = canvas.current;
      if (element === null || scroller.current === null) return;
      const view = viewOf();
      const context = fitted(element, view.width, view.height);
      colours.current ??= readColours(element);
      draw(context, view, colours.current);
    });
  }, [viewOf]);

  useEffect(request);
  useEffect(() => {
    const element = scroller.current as HTMLDivElement;
    const sizes = new ResizeObserver(request);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    function recolour() {
      colours.current = null;
      request();
    }
    sizes.observe(element);
    element.addEventListener("scroll", request, { passive: true });
    scheme.addEventListener("change", recolour);
    return () => {
      sizes.disconnect();
      element.removeEventListener("scroll", request);
      scheme.removeEventListener("change", recolour);
      cancelAnimationFrame(frame.current);
      frame.current = 0;
    };
  }, [request]);
  const hover = useCallback(
    (id: string | null) => {
      if (id === hovered.current) return;
      hovered.current = id;
      request();
    },
    [request],
  );
  return { scroller, canvas, hover, viewOf };
}

function fitted(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  const density = window.devicePixelRatio;
  if (canvas.width !== Math.round(width * density) || canvas.height !== Math.round(height * density)) {
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d", { alpha: false }) as CanvasRenderingContext2D;
  context.setTransform(density, 0, 0, density, 0, 0);
  return context;
}

/** Ctrl and the wheel zoom around the pointer; a wheel to the side, or with shift, moves along. */
function useWheel(
  scroller: { current: HTMLElement | null },
  viewOf: () => View,
  scale: (factor: number, around: number) => void,
  shift: (share: number) => void,
) {
  const handlers = useRef({ scale, shift });
  handlers.current = { scale, shift };
  useEffect(() => {
    const element = scroller.current as HTMLElement;
    function onWheel(event: WheelEvent) {
      const view = viewOf();
      const wide = view.width - view.gutter;
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        const x = event.clientX - element.getBoundingClientRect().left - view.gutter;
        handlers.current.scale(Math.exp(event.deltaY / 300), Math.max(0, Math.min(1, x / wide)));
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        handlers.current.shift((event.deltaX || event.deltaY) / wide);
      }
    }
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, [scroller, viewOf]);
}

function useDrag(shift: (share: number) => void, viewOf: () => View) {
  const last = useRef<number | null>(null);
  const distance = useRef(0);
  return {
    start(event: PointerEvent) {
      last.current = event.clientX;
      distance.current = 0;
    },
    move(event: PointerEvent) {
      if (last.current === null || event.buttons !== 1) return;
      const step = event.clientX - last.current;
      last.current = event.clientX;
      distance.current += Math.abs(step);
      const view = viewOf();
      if (step !== 0) shift(-step / (view.width - view.gutter));
    },
    stop() {
      last.current = null;
    },
    moved: () => distance.current > 4,
  };
}

function place(event: { clientX: number; clientY: number }, element: HTMLElement | null) {
  if (element === null) return null;
  const box = element.getBoundingClientRect();
  const y = event.clientY - box.top;
  if (y < HEAD) return null;
  return { row: Math.floor((y - HEAD + element.scrollTop) / ROW), x: event.clientX - box.left };
}

function reveal(element: HTMLElement | null, row: number) {
  if (element === null) return;
  const top = row * ROW;
  const least = top + ROW * 2 + HEAD - element.clientHeight;
  if (element.scrollTop > top) element.scrollTop = top;
  else if (element.scrollTop < least) element.scrollTop = least;
}

function latest(nodes: Node[]): number {
  return nodes.reduce((time, node) => Math.max(time, node.end ?? node.start ?? 0), 0);
}

function describe(node: Node | undefined): string {
  return node === undefined ? "" : `${node.name}: ${node.stateName}`;
}

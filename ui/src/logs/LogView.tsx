// The log of a run: live at its end, filtered by level and text, with the colours that programs gave it. Each line of
// the screen has one height, so that a million of them scroll as ten do.
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import type { Log } from "../api/schema";
import { Button, Empty, Loading, ProblemBox } from "../design/components";
import { ansiSpans } from "../text/ansi";
import { utc } from "../text/times";
import "./logs.css";
import { type LogQuery, useLogWindow } from "./window";

const LINE = 20; // px
const LEVELS: [number, string][] = [
  [0, "All levels"],
  [20, "Info and up"],
  [30, "Warnings and up"],
  [40, "Errors"],
];
const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
});

interface Line {
  log: Log;
  text: string;
  /** The first line of its message; the others hang below it. */
  first: boolean;
}

export function LogView({ of, download }: { of: LogQuery; download?: string }) {
  const [level, setLevel] = useState(0);
  const [text, setText] = useState("");
  const [asked, setAsked] = useState("");
  const [from, setFrom] = useState<"end" | "beginning">("end");
  useEffect(() => {
    const timer = setTimeout(() => setAsked(text), 250);
    return () => clearTimeout(timer);
  }, [text]);
  const query = useMemo(
    () => ({ ...of, ...(level > 0 ? { "min-level": level } : {}), ...(asked === "" ? {} : { text: asked }) }),
    [of, level, asked],
  );
  return (
    <section className="log grow" aria-label="Log">
      <div className="log-bar">
        <select
          className="input"
          aria-label="Level"
          value={level}
          onChange={(event) => setLevel(Number(event.target.value))}
        >
          {LEVELS.map(([value, name]) => (
            <option key={value} value={value}>
              {name}
            </option>
          ))}
        </select>
        <input
          className="input grow"
          type="search"
          aria-label="Text in the log"
          placeholder="Text"
          value={text}
          data-filter=""
          onChange={(event) => setText(event.target.value)}
        />
        <Button look="narrow" onClick={() => setFrom(from === "end" ? "beginning" : "end")}>
          {from === "end" ? "To the beginning" : "To the end"}
        </Button>
        {download !== undefined && (
          <a className="button narrow" href={download} download>
            Download
          </a>
        )}
      </div>
      <Lines key={`${JSON.stringify(query)} ${from}`} query={query} from={from} filtered={level > 0 || asked !== ""} />
    </section>
  );
}

function Lines({ query, from, filtered }: { query: LogQuery; from: "end" | "beginning"; filtered: boolean }) {
  const logs = useLogWindow(query, from);
  const lines = useMemo(() => logs.lines.flatMap(linesOf), [logs.lines]);
  const body = useRef<HTMLDivElement>(null);
  const sticks = useRef(from === "end");
  const before = useRef({ turn: 0, count: 0 });
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => body.current,
    estimateSize: () => LINE,
    overscan: 20,
  });
  useLayoutEffect(() => {
    const element = body.current;
    if (element === null) return;
    if (logs.prepended.turn !== before.current.turn) element.scrollTop += (lines.length - before.current.count) * LINE;
    else if (sticks.current) element.scrollTop = element.scrollHeight;
    before.current = { turn: logs.prepended.turn, count: lines.length };
  }, [lines, logs.prepended]);

  function onScroll() {
    const element = body.current;
    if (element === null) return;
    const left = element.scrollHeight - element.scrollTop - element.clientHeight;
    sticks.current = logs.atEnd && left < LINE * 2;
    if (element.scrollTop < 60 * LINE && !logs.atBeginning) void logs.earlier();
    if (left < 60 * LINE && !logs.atEnd) void logs.later();
  }

  if (logs.error !== null) return <ProblemBox error={logs.error} />;
  if (!logs.loaded) return <Loading />;
  if (lines.length === 0) {
    return (
      <Empty title={filtered ? "No line fits" : "Nothing was logged"}>
        {!filtered && (
          <p className="muted">
            Use <code>get_run_logger()</code> in a flow or a task, or <code>@flow(log_prints=True)</code> to keep what it
            prints.
          </p>
        )}
      </Empty>
    );
  }
  return (
    <div className="log-body" ref={body} onScroll={onScroll} tabIndex={0} role="log" aria-label="Lines" aria-live="off">
      <div className="log-all" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((place) => (
          <LogLine key={place.index} line={lines[place.index] as Line} top={place.start} />
        ))}
      </div>
    </div>
  );
}

function LogLine({ line, top }: { line: Line; top: number }) {
  const { log } = line;
  const date = new Date(log.timestamp);
  const more = line.first ? "" : "more";
  return (
    <div className={`log-line ${lookOf(log.level)}`} style={{ transform: `translateY(${top}px)` }}>
      <span className={`when ${more}`} title={`${utc(date)} · ${log.logger}`} aria-hidden={!line.first}>
        {CLOCK.format(date)}
      </span>
      <span className={`level ${more}`} aria-hidden={!line.first}>
        {nameOf(log.level)}
      </span>
      <span>
        {ansiSpans(line.text).map((span, index) => (
          <span key={index} className={span.look}>
            {span.text}
          </span>
        ))}
      </span>
    </div>
  );
}

function linesOf(log: Log): Line[] {
  return log.message.split("\n").map((text, index) => ({ log, text, first: index === 0 }));
}

function nameOf(level: number): string {
  if (level >= 50) return "CRITICAL";
  if (level >= 40) return "ERROR";
  if (level >= 30) return "WARNING";
  return level >= 20 ? "INFO" : "DEBUG";
}

function lookOf(level: number): string {
  return level >= 40 ? "error" : level >= 30 ? "warning" : "";
}

// What an artifact holds, drawn as its type says.
import type { Artifact } from "../api/schema";
import { Json } from "../design/components";
import { Markdown, SafeImage } from "../text/Markdown";
import "./artifacts.css";

const MOST_ROWS = 500;

/** `under`: the level of the heading that it stands below. */
export function ArtifactData({ artifact, under }: { artifact: Artifact; under: 1 | 2 }) {
  const { data, type } = artifact;
  if ((type === "markdown" || type === "link") && typeof data === "string") return <Markdown text={data} under={under} />;
  if (type === "table" && isTable(data)) return <Table rows={Array.isArray(data) ? data : rowsOf(data)} />;
  if (type === "progress" && typeof data === "number") return <Progress percent={data} />;
  if (type === "image" && typeof data === "string") {
    return <SafeImage from={data} description={artifact.description ?? artifact.key ?? ""} />;
  }
  return <Json value={data} label="Data" />;
}

type Columns = Record<string, unknown[]>;

/** A list of rows, or a dict of columns. */
function isTable(data: unknown): data is unknown[] | Columns {
  if (typeof data !== "object" || data === null) return false;
  return Array.isArray(data) || Object.values(data).every(Array.isArray);
}

function rowsOf(columns: Columns): object[] {
  const length = Math.max(0, ...Object.values(columns).map((column) => column.length));
  return Array.from({ length }, (_, place) =>
    Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, column[place]])),
  );
}

function Progress({ percent }: { percent: number }) {
  const shown = Math.max(0, Math.min(100, percent));
  return (
    <div className="stack tight">
      <span className="number">{percent.toLocaleString(undefined, { maximumFractionDigits: 1 })} %</span>
      <div
        className="progress"
        role="progressbar"
        aria-label="Progress"
        aria-valuenow={shown}
        aria-valuemin={0}
        aria-valuemax={100}
      >
        <div style={{ width: `${shown}%` }} />
      </div>
    </div>
  );
}

/** Rows as dicts, or as lists. */
function Table({ rows }: { rows: unknown[] }) {
  const columns = columnsOf(rows);
  return (
    <>
      <div className="table-wrap" tabIndex={0} role="group" aria-label="Table">
        <table className="table">
          {columns !== null && (
            <thead>
              <tr>
                {columns.map((column) => (
                  <th key={column}>{column}</th>
                ))}
              </tr>
            </thead>
          )}
          <tbody>
            {rows.slice(0, MOST_ROWS).map((row, place) => (
              <tr key={place}>
                {cellsOf(row, columns).map((cell, column) => (
                  <td key={column} className={typeof cell === "number" ? "number" : ""}>
                    {text(cell)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length > MOST_ROWS && <p className="muted small">The first {MOST_ROWS} of {rows.length.toLocaleString()} rows.</p>}
    </>
  );
}

function columnsOf(rows: unknown[]): string[] | null {
  if (!rows.every((row) => typeof row === "object" && row !== null && !Array.isArray(row))) return null;
  return [...new Set(rows.slice(0, MOST_ROWS).flatMap((row) => Object.keys(row as object)))];
}

function cellsOf(row: unknown, columns: string[] | null): unknown[] {
  if (columns !== null) return columns.map((column) => (row as Record<string, unknown>)[column]);
  return Array.isArray(row) ? row : [row];
}

function text(cell: unknown): string {
  if (cell === null || cell === undefined) return "";
  return typeof cell === "object" ? JSON.stringify(cell) : String(cell);
}

// Draws Markdown as elements. Nothing of it is ever read as HTML.
import { createElement, type ReactNode } from "react";
import "./markdown.css";
import { type Block, type Inline, markdownBlocks, safeAddress } from "./markdown";

/** Its headings stand below one of level `under`, and skip no level, whatever the text does. */
export function Markdown({ text, under }: { text: string; under: 1 | 2 | 3 }) {
  const blocks = markdownBlocks(text);
  const levels = headingLevels(blocks, under);
  return (
    <div className="markdown">
      {blocks.map((each, key) =>
        each.kind === "heading" ? heading(each, levels.get(each) ?? 6, key) : block(each, key),
      )}
    </div>
  );
}

function headingLevels(blocks: Block[], under: number): Map<Block, number> {
  const headings = blocks.filter((each) => each.kind === "heading");
  const highest = Math.min(...headings.map((each) => each.level));
  const levels = new Map<Block, number>();
  let last = under;
  for (const each of headings) {
    last = Math.min(6, last + 1, under + 1 + each.level - highest);
    levels.set(each, last);
  }
  return levels;
}

function heading(each: Block & { kind: "heading" }, level: number, key: number): ReactNode {
  return createElement(`h${level}`, { key, className: `level-${each.level}` }, all(each.inside));
}

function block(each: Block, key: number): ReactNode {
  switch (each.kind) {
    case "heading":
      // Within a quote or a list it heads nothing of the page.
      return (
        <p key={key}>
          <strong>{all(each.inside)}</strong>
        </p>
      );
    case "paragraph":
      return <p key={key}>{all(each.inside)}</p>;
    case "code":
      return (
        <pre key={key} className="json" tabIndex={0} aria-label="Code">
          {each.text}
        </pre>
      );
    case "quote":
      return <blockquote key={key}>{each.blocks.map(block)}</blockquote>;
    case "list":
      return createElement(
        each.ordered ? "ol" : "ul",
        { key, ...(each.ordered && each.start !== 1 ? { start: each.start } : {}) },
        each.items.map((item, place) => <li key={place}>{item.length === 1 && item[0]?.kind === "paragraph" ? all(item[0].inside) : item.map(block)}</li>),
      );
    case "table":
      return (
        <div key={key} className="table-wrap" tabIndex={0} role="group" aria-label="Table">
          <table className="table">
            <thead>
              <tr>
                {each.head.map((cell, place) => (
                  <th key={place} style={{ textAlign: each.align[place] ?? "left" }}>
                    {all(cell)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {each.rows.map((row, place) => (
                <tr key={place}>
                  {row.map((cell, column) => (
                    <td key={column} style={{ textAlign: each.align[column] ?? "left" }}>
                      {all(cell)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      );
    case "rule":
      return <hr key={key} />;
  }
}

function all(inside: Inline[]): ReactNode[] {
  return inside.map(inline);
}

function inline(each: Inline, key: number): ReactNode {
  switch (each.kind) {
    case "text":
      return each.text;
    case "code":
      return <code key={key}>{each.text}</code>;
    case "strong":
      return <strong key={key}>{all(each.inside)}</strong>;
    case "emphasis":
      return <em key={key}>{all(each.inside)}</em>;
    case "struck":
      return <s key={key}>{all(each.inside)}</s>;
    case "link":
      return <SafeLink key={key} to={each.to} label={all(each.inside)} />;
    case "image":
      return <SafeImage key={key} from={each.from} description={each.description} />;
    case "break":
      return <br key={key} />;
  }
}

export function SafeLink({ to, label }: { to: string; label: ReactNode }) {
  const address = safeAddress(to);
  if (address === null) return <span title={to}>{label}</span>;
  return (
    <a href={address} target="_blank" rel="noopener noreferrer">
      {label}
    </a>
  );
}

/** An image of this server, or one that is in the text itself. One from elsewhere is a link: to load it would tell
 * its server who looks at this page. */
export function SafeImage({ from, description }: { from: string; description: string }) {
  if (/^data:image\/(png|jpeg|gif|webp|avif);base64,/i.test(from) || /^\/(?![/\\])/.test(from)) {
    return <img src={from} alt={description} loading="lazy" />;
  }
  return <SafeLink to={from} label={`Image: ${description || from}`} />;
}

// Markdown as a tree, for people's texts in artifacts and descriptions: headings, paragraphs, lists, tables, code,
// quotes, rules; emphasis, code, links, images. HTML is text here, never HTML. Pure: drawing is Markdown.tsx's.

export type Inline =
  | { kind: "text"; text: string }
  | { kind: "code"; text: string }
  | { kind: "strong" | "emphasis" | "struck"; inside: Inline[] }
  | { kind: "link"; to: string; inside: Inline[] }
  | { kind: "image"; from: string; description: string }
  | { kind: "break" };

export type Align = "left" | "right" | "center" | null;

export type Block =
  | { kind: "heading"; level: number; inside: Inline[] }
  | { kind: "paragraph"; inside: Inline[] }
  | { kind: "code"; text: string; language: string }
  | { kind: "quote"; blocks: Block[] }
  | { kind: "list"; ordered: boolean; start: number; items: Block[][] }
  | { kind: "table"; align: Align[]; head: Inline[][]; rows: Inline[][][] }
  | { kind: "rule" };

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?:\s+(.*?))?\s*#*$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(\s+|$)/;
const TABLE_RULE = /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/;
const DEEPEST = 12;

export function markdownBlocks(text: string, depth = 0): Block[] {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  return blocksOf(lines, depth);
}

function blocksOf(lines: string[], depth: number): Block[] {
  const blocks: Block[] = [];
  let place = 0;
  while (place < lines.length) {
    const line = lines[place] as string;
    if (line.trim() === "") {
      place += 1;
      continue;
    }
    const [block, next] = blockAt(lines, place, depth);
    blocks.push(block);
    place = next;
  }
  return blocks;
}

function blockAt(lines: string[], place: number, depth: number): [Block, number] {
  const line = lines[place] as string;
  const fence = FENCE.exec(line);
  if (fence !== null) return fencedAt(lines, place, fence);
  const heading = HEADING.exec(line);
  if (heading !== null) {
    return [{ kind: "heading", level: (heading[1] as string).length, inside: inlines(heading[2] ?? "") }, place + 1];
  }
  if (RULE.test(line)) return [{ kind: "rule" }, place + 1];
  if (depth < DEEPEST && QUOTE.test(line)) return quoteAt(lines, place, depth);
  if (depth < DEEPEST && ITEM.test(line)) return listAt(lines, place, depth);
  if (line.includes("|") && TABLE_RULE.test(lines[place + 1] ?? "") && (lines[place + 1] ?? "").includes("-")) {
    return tableAt(lines, place);
  }
  return paragraphAt(lines, place, depth);
}

function fencedAt(lines: string[], place: number, fence: RegExpExecArray): [Block, number] {
  const mark = fence[1] as string;
  const found: string[] = [];
  let next = place + 1;
  while (next < lines.length) {
    const line = (lines[next] as string).trim();
    if (line.length >= mark.length && line === (mark[0] as string).repeat(line.length)) break;
    found.push(lines[next] as string);
    next += 1;
  }
  return [{ kind: "code", text: found.join("\n"), language: (fence[2] ?? "").trim() }, next + 1];
}

function quoteAt(lines: string[], place: number, depth: number): [Block, number] {
  const inside: string[] = [];
  let next = place;
  while (next < lines.length && QUOTE.test(lines[next] as string)) {
    inside.push((lines[next] as string).replace(QUOTE, ""));
    next += 1;
  }
  return [{ kind: "quote", blocks: blocksOf(inside, depth + 1) }, next];
}

function listAt(lines: string[], place: number, depth: number): [Block, number] {
  const first = ITEM.exec(lines[place] as string) as RegExpExecArray;
  const ordered = /\d/.test(first[2] as string);
  const items: Block[][] = [];
  let next = place;
  while (next < lines.length) {
    const item = ITEM.exec(lines[next] as string);
    if (item === null || /\d/.test(item[2] as string) !== ordered) break;
    const width = item[0].length;
    const inside = [(lines[next] as string).slice(width)];
    next += 1;
    while (next < lines.length && belongs(lines, next, width)) {
      inside.push((lines[next] as string).slice(Math.min(width, indent(lines[next] as string))));
      next += 1;
    }
    items.push(blocksOf(inside, depth + 1));
    while (next + 1 < lines.length && lines[next]?.trim() === "" && ITEM.test(lines[next + 1] as string)) next += 1;
  }
  return [{ kind: "list", ordered, start: ordered ? Number.parseInt(first[2] as string, 10) : 1, items }, next];
}

function belongs(lines: string[], place: number, width: number): boolean {
  const line = lines[place] as string;
  if (line.trim() === "") return indent(lines[place + 1] ?? "") >= Math.min(width, 2);
  if (indent(line) >= Math.min(width, 2)) return true;
  return !ITEM.test(line) && !startsBlock(line) && lines[place - 1]?.trim() !== "";
}

function indent(line: string): number {
  return line.length - line.trimStart().length;
}

function startsBlock(line: string): boolean {
  return HEADING.test(line) || FENCE.test(line) || RULE.test(line) || QUOTE.test(line);
}

function tableAt(lines: string[], place: number): [Block, number] {
  const head = cells(lines[place] as string).map(inlines);
  const align = cells(lines[place + 1] as string).map(alignOf);
  const rows: Inline[][][] = [];
  let next = place + 2;
  while (next < lines.length && (lines[next] as string).includes("|")) {
    rows.push(cells(lines[next] as string).map(inlines));
    next += 1;
  }
  return [{ kind: "table", align, head, rows }, next];
}

function cells(line: string): string[] {
  const inner = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function alignOf(rule: string): Align {
  const left = rule.startsWith(":");
  if (rule.endsWith(":")) return left ? "center" : "right";
  return left ? "left" : null;
}

function paragraphAt(lines: string[], place: number, depth: number): [Block, number] {
  const found: string[] = [];
  let next = place;
  while (next < lines.length) {
    const line = lines[next] as string;
    if (line.trim() === "" || (next > place && (startsBlock(line) || (depth < DEEPEST && ITEM.test(line))))) break;
    found.push(line.replace(/^\s+/, ""));
    next += 1;
  }
  return [{ kind: "paragraph", inside: inlines(found.join("\n")) }, next];
}

// The first that fits at each place.
const PATTERNS: [RegExp, (match: RegExpExecArray, depth: number) => Inline][] = [
  [/^\\([!-/:-@[-`{-~])/, (match) => ({ kind: "text", text: match[1] as string })],
  [/^(`+)([^`]|[^`][^]*?[^`])\1(?!`)/, (match) => ({ kind: "code", text: (match[2] as string).replaceAll("\n", " ") })],
  [
    /^!\[([^\]\n]*)\]\(\s*<?([^\s<>()]+)>?(?:\s+"[^"\n]*")?\s*\)/,
    (match) => ({ kind: "image", from: match[2] as string, description: match[1] as string }),
  ],
  [
    /^\[([^\]\n]+)\]\(\s*<?([^\s<>()]+)>?(?:\s+"[^"\n]*")?\s*\)/,
    (match, depth) => ({ kind: "link", to: match[2] as string, inside: inlines(match[1] as string, depth + 1) }),
  ],
  [/^<(https?:\/\/[^\s<>]+)>/, (match) => linkTo(match[1] as string)],
  [/^(?:\*\*|__)(?=\S)([^]+?)(?:\*\*|__)/, (match, depth) => marked("strong", match, depth)],
  [/^~~(?=\S)([^]+?)~~/, (match, depth) => marked("struck", match, depth)],
  [/^\*(?=[^\s*])([^*]+)\*/, (match, depth) => marked("emphasis", match, depth)],
  [/^_(?=[^\s_])([^_]+)_(?!\w)/, (match, depth) => marked("emphasis", match, depth)],
  [/^https?:\/\/[^\s<>()]*[^\s<>().,;:!?'"]/, (match) => linkTo(match[0])],
  [/^(?: {2,}|\\)\n/, () => ({ kind: "break" })],
];
const MAY_START = /[\\`![<*_~\n ]|https?:/;

/** Characters of a paragraph from which it is left as it is: what looks for an end may look through all of it. */
const LONGEST = 20_000;

export function inlines(text: string, depth = 0): Inline[] {
  if (depth > DEEPEST || text.length > LONGEST) return [{ kind: "text", text }];
  const found: Inline[] = [];
  let plain = "";
  let rest = text;
  while (rest !== "") {
    const hit = matchAt(rest, depth, plain);
    if (hit === null) {
      const next = rest.slice(1).search(MAY_START);
      const length = next === -1 ? rest.length : next + 1;
      plain += rest.slice(0, length);
      rest = rest.slice(length);
      continue;
    }
    if (plain !== "") found.push({ kind: "text", text: plain });
    plain = "";
    found.push(hit[0]);
    rest = rest.slice(hit[1]);
  }
  if (plain !== "") found.push({ kind: "text", text: plain });
  return found;
}

function matchAt(rest: string, depth: number, before: string): [Inline, number] | null {
  // snake_case is a name, not emphasis.
  if (rest.startsWith("_") && /\w$/.test(before)) return null;
  for (const [pattern, make] of PATTERNS) {
    const match = pattern.exec(rest);
    if (match !== null) return [make(match, depth), match[0].length];
  }
  return null;
}

function marked(kind: "strong" | "emphasis" | "struck", match: RegExpExecArray, depth: number): Inline {
  return { kind, inside: inlines(match[1] as string, depth + 1) };
}

function linkTo(address: string): Inline {
  return { kind: "link", to: address, inside: [{ kind: "text", text: address }] };
}

/** An address that may be followed: to the web, to mail, or within this server. Everything else is null. */
export function safeAddress(address: string): string | null {
  const trimmed = address.trim();
  if (/^(https?:\/\/|mailto:)/i.test(trimmed)) return trimmed;
  if (/^(\/(?![/\\])|#|\.\.?\/)/.test(trimmed)) return trimmed;
  return null;
}

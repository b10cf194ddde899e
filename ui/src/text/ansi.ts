// The colours that programs write to terminals (ANSI SGR), as spans with classes. Every other escape is dropped.

export interface Span {
  text: string;
  /** Class names; empty: plain. */
  look: string;
}

const ESCAPE = /\x1b(?:\[([0-9;:]*)([A-Za-z@~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g;

/** Split a line into spans of one look each. */
export function ansiSpans(line: string): Span[] {
  if (!line.includes("\x1b")) return [{ text: line, look: "" }];
  const spans: Span[] = [];
  const look = new Set<string>();
  let end = 0;
  for (const match of line.matchAll(ESCAPE)) {
    push(spans, line.slice(end, match.index), look);
    end = match.index + match[0].length;
    if (match[2] === "m") change(look, match[1] ?? "");
  }
  push(spans, line.slice(end).replaceAll("\x1b", ""), look);
  return spans;
}

/** A text without escapes. */
export function plain(text: string): string {
  return ansiSpans(text)
    .map((span) => span.text)
    .join("");
}

function push(spans: Span[], text: string, look: Set<string>) {
  if (text !== "") spans.push({ text, look: [...look].join(" ") });
}

function change(look: Set<string>, codes: string) {
  const numbers = codes.split(/[;:]/).map(Number);
  for (let place = 0; place < numbers.length; place++) {
    const code = numbers[place] ?? 0;
    if (code === 0) look.clear();
    else if (code === 1) look.add("ansi-bold");
    else if (code === 2) look.add("ansi-dim");
    else if (code === 3) look.add("ansi-italic");
    else if (code === 4) look.add("ansi-underline");
    else if (code === 22) without(look, "ansi-bold", "ansi-dim");
    else if (code === 23) without(look, "ansi-italic");
    else if (code === 24) without(look, "ansi-underline");
    else if (code === 39) withoutColour(look);
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) colour(look, code % 10);
    else if (code === 38 || code === 48) {
      // Of the 256 colours the first sixteen have names; others, and exact ones, are left as they are.
      const kind = numbers[place + 1];
      const number = numbers[place + 2] ?? 0;
      if (code === 38 && kind === 5 && number < 16) colour(look, number % 8);
      place += kind === 5 ? 2 : 4;
    }
  }
}

function colour(look: Set<string>, number: number) {
  withoutColour(look);
  look.add(`ansi-${number}`);
}

function withoutColour(look: Set<string>) {
  for (let number = 0; number < 8; number++) look.delete(`ansi-${number}`);
}

function without(look: Set<string>, ...names: string[]) {
  for (const name of names) look.delete(name);
}

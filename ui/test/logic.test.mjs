// The page's logic without a screen: texts, the layout of timelines, command lines. Run by `node --test`.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createServer } from "vite";

let server;
const modules = {};
const NAMES = ["text/markdown", "text/ansi", "text/times", "timeline/layout", "run/command", "runs/search", "api/client"];

before(async () => {
  // Vite takes the types away, as it does for the browser.
  server = await createServer({ server: { middlewareMode: true, ws: false }, appType: "custom", logLevel: "error" });
  for (const name of NAMES) Object.assign(modules, await server.ssrLoadModule(`/src/${name}.ts`));
});
after(() => server.close());

test("markdown becomes blocks", () => {
  const text = "# Title\n\nA **bold** `code` [link](https://a.example).\n\n- one\n- two\n  1. in it\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n```py\n*x*\n```";
  const blocks = modules.markdownBlocks(text);
  assert.deepEqual(blocks.map((each) => each.kind), ["heading", "paragraph", "list", "table", "code"]);
  assert.deepEqual(blocks[1].inside.map((each) => each.kind), ["text", "strong", "text", "code", "text", "link", "text"]);
  assert.equal(blocks[2].items.length, 2);
  assert.equal(blocks[2].items[1][1].kind, "list");
  assert.deepEqual(blocks[3].align, [null, "right"]);
  assert.equal(blocks[4].text, "*x*");
});

test("html in markdown is text", () => {
  const [block] = modules.markdownBlocks("<script>alert(1)</script> <img src=x onerror=alert(1)>");
  assert.deepEqual(block.inside, [{ kind: "text", text: "<script>alert(1)</script> <img src=x onerror=alert(1)>" }]);
});

test("names with underscores are no emphasis", () => {
  assert.deepEqual(modules.inlines("a snake_case_name"), [{ kind: "text", text: "a snake_case_name" }]);
});

test("only addresses of the web, of mail and of this server may be followed", () => {
  const traps = ["javascript:alert(1)", " JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "//evil.example", "/\\evil", "file:///etc"];
  for (const each of traps) assert.equal(modules.safeAddress(each), null, each);
  for (const each of ["https://a.example", "mailto:a@b.example", "/runs", "#part"]) assert.equal(modules.safeAddress(each), each);
});

test("no markdown takes long", () => {
  const begin = performance.now();
  for (const part of ["[", "**", "`", "![](", "_a", "> ", "- ", "|", "~~", "<http://", "[a](", "*a "]) {
    modules.markdownBlocks(part.repeat(60_000));
    modules.markdownBlocks(part.repeat(1_000));
  }
  assert.ok(performance.now() - begin < 20_000);
});

test("ansi colours become classes, other escapes nothing", () => {
  const spans = modules.ansiSpans("a\x1b[1;31mred\x1b[0m\x1b[2K\x1b]0;title\x07b\x1b[38;5;2mgreen\x1b[38;2;1;2;3mx");
  assert.deepEqual(spans, [
    { text: "a", look: "" },
    { text: "red", look: "ansi-bold ansi-1" },
    { text: "b", look: "" },
    { text: "green", look: "ansi-2" },
    { text: "x", look: "ansi-2" },
  ]);
  assert.equal(modules.plain("\x1b[31mred\x1b[0m"), "red");
});

test("durations are short", () => {
  const shown = [0.5, 42, 3_240, 59_999, 245_000, 7_800_000, 200_000_000].map(modules.duration);
  assert.deepEqual(shown, ["500 µs", "42 ms", "3.2 s", "59 s", "4 min 05 s", "2 h 10 min", "2 d 7 h"]);
});

test("an axis leaves out the night between a failure and its retry", () => {
  const hour = 3_600_000;
  const axis = modules.axisOf([
    { start: 0, end: 1_000 },
    { start: 500, end: 2_000 },
    { start: 2_100, end: 3_000 },
    { start: 6 * hour, end: 6 * hour + 1_000 },
  ]);
  assert.equal(axis.breaks.length, 1);
  assert.equal(axis.breaks[0].gap, 6 * hour - 3_000);
  assert.equal(axis.at(1_500), 1_500);
  assert.ok(axis.length < 4_500);
  const at = axis.at(6 * hour + 500);
  assert.equal(axis.time(at), 6 * hour + 500);
});

test("the critical path goes back by what was needed last, else by what ended last before", () => {
  const node = (id, start, end, upstream = []) => ({ id, start, end, upstream });
  const nodes = [node("a", 0, 10), node("b", 0, 4), node("c", 10, 12, ["a", "b"]), node("d", 12, 20), node("e", 12, 13)];
  assert.deepEqual([...modules.criticalPath(nodes, 100)].sort(), ["a", "c", "d"]);
  assert.ok(modules.criticalPath([node("x", 5, null)], 9).has("x"));
});

test("commands are quoted for a shell", () => {
  assert.equal(modules.retryCommand("1-2", "failure", "", ""), "dalsegno flow-run retry 1-2");
  assert.equal(
    modules.retryCommand("1-2", "parameters", "", '{"name": "O\'Hara; rm -rf /"}'),
    `dalsegno flow-run retry 1-2 --params '{"name":"O'"'"'Hara; rm -rf /"}'`,
  );
});

test("a filter is read from the address, and what is none is left out", () => {
  const search = modules.readRunSearch({ state: "FAILED,NONSENSE", since: "7d", nested: "yes", name: 5, other: "x" });
  assert.deepEqual(search, { state: "FAILED,NONSENSE", name: "5", since: "7d" });
  assert.deepEqual(modules.stateTypes(search), ["FAILED"]);
});

test("addresses of requests are encoded", () => {
  const address = modules.addressOf("/api/flows/{name}", { name: "a/b c" }, { tag: ["x", "y&z"], none: undefined, off: false });
  assert.equal(address, "/api/flows/a%2Fb%20c?tag=x&tag=y%26z");
});

// Shows the OpenAPI document and sends requests. Everything goes into the page as text, never as HTML.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function resolve(schema, root) {
  if (!schema || !schema.$ref) return schema || {};
  return schema.$ref.split("/").slice(1).reduce((found, key) => found[key.replace(/~1/g, "/")], root);
}

function shortName(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.oneOf || schema.anyOf) return (schema.oneOf || schema.anyOf).map(shortName).join(" or ");
  if (schema.type === "array") return `list of ${shortName(schema.items)}`;
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  const type = Array.isArray(schema.type) ? schema.type.join(" or ") : schema.type || "anything";
  return schema.format ? `${type} (${schema.format})` : type;
}

function exampleOf(schema, root, depth = 0) {
  const whole = resolve(schema, root);
  if (whole.examples && whole.examples.length) return whole.examples[0];
  if ("default" in whole) return whole.default;
  if (whole.oneOf || whole.anyOf) return exampleOf((whole.oneOf || whole.anyOf)[0], root, depth);
  if (whole.enum) return whole.enum[0];
  if (whole.properties && depth < 4) {
    const required = new Set(whole.required || []);
    const entries = Object.entries(whole.properties).filter(([name]) => required.has(name) || depth === 0);
    return Object.fromEntries(entries.map(([name, each]) => [name, exampleOf(each, root, depth + 1)]));
  }
  return { array: [], object: {}, integer: 0, number: 0, boolean: false, null: null }[whole.type] ?? (whole.type === "string" ? "" : null);
}

function fieldsOf(schema, root) {
  const whole = resolve(schema, root);
  const target = whole.type === "array" ? resolve(whole.items, root) : whole;
  if (!target.properties) return element("p", { class: "soft" }, shortName(schema));
  const required = new Set(target.required || []);
  const rows = Object.entries(target.properties).map(([name, each]) =>
    element("tr", {},
      element("td", {}, element("code", {}, name), required.has(name) ? "" : " ?"),
      element("td", {}, shortName(each)),
      element("td", {}, each.description || resolve(each, root).description || "")));
  return element("div", {},
    element("p", { class: "soft" }, `${shortName(schema)}: ${target.description || ""}`),
    element("table", {}, element("tbody", {}, ...rows)));
}

function parameterRow(parameter) {
  const input = element("input", { name: parameter.name, "aria-label": parameter.name, placeholder: shortName(parameter.schema) });
  return {
    parameter,
    input,
    row: element("tr", {},
      element("td", {}, element("code", {}, parameter.name), parameter.required ? "" : " ?", element("div", { class: "soft" }, parameter.in)),
      element("td", {}, parameter.description || ""),
      element("td", {}, input)),
  };
}

async function send(method, path, parameters, body, output) {
  let target = path;
  const query = new URLSearchParams();
  const headers = { accept: "application/json" };
  for (const { parameter, input } of parameters) {
    if (input.value === "") continue;
    if (parameter.in === "path") target = target.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (parameter.in === "header") headers[parameter.name] = input.value;
    else if (parameter.in === "query") {
      const isList = JSON.stringify(parameter.schema || {}).includes('"array"');
      for (const value of isList ? input.value.split(",") : [input.value]) query.append(parameter.name, value.trim());
    }
  }
  if (query.size) target += `?${query}`;
  if (body) headers["content-type"] = "application/json";
  output.textContent = `${method.toUpperCase()} ${target} …`;
  try {
    const answer = await fetch(target, { method: method.toUpperCase(), headers, body: body ? body.value : undefined });
    const text = await answer.text();
    let shown = text;
    try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { shown = text; }
    const told = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    output.textContent = `${method.toUpperCase()} ${target}\n${answer.status} ${answer.statusText}\n${told}\n\n${shown}`;
  } catch (error) {
    output.textContent = `The request could not be sent: ${error}`;
  }
}

function operationOf(method, path, operation, root) {
  const parameters = (operation.parameters || []).map((each) => parameterRow(resolve(each, root)));
  const schema = operation.requestBody && Object.values(operation.requestBody.content)[0].schema;
  const body = schema ? element("textarea", { "aria-label": "Body" }) : null;
  if (body) body.value = JSON.stringify(exampleOf(schema, root), null, 2);
  const output = element("pre", { hidden: "" });
  const content = element("div", {});
  const made = element("details", { class: "operation" },
    element("summary", {}, element("span", { class: "method" }, method.toUpperCase()), element("code", {}, path), operation.summary || ""),
    content);
  made.dataset.text = `${method} ${path} ${operation.summary} ${operation.description} ${(operation.tags || []).join(" ")}`.toLowerCase();
  made.addEventListener("toggle", () => {
    if (!made.open || content.childElementCount) return;
    const answers = Object.entries(operation.responses || {}).map(([status, answer]) => {
      const media = Object.values(answer.content || {})[0];
      return element("div", {}, element("h3", {}, `${status} ${answer.description || ""}`), media ? fieldsOf(media.schema, root) : null);
    });
    content.append(
      element("p", {}, operation.description || ""),
      ...(parameters.length ? [element("h3", {}, "Parameters"), element("table", {}, element("tbody", {}, ...parameters.map(({ row }) => row)))] : []),
      ...(body ? [element("h3", {}, "Body"), fieldsOf(schema, root), body] : []),
      element("button", { type: "button", onclick: () => { output.hidden = false; send(method, path, parameters, body, output); } }, "Send"),
      output,
      element("h3", {}, "Answers"), ...answers);
  });
  return made;
}

function show(root) {
  const main = document.getElementById("operations");
  const groups = new Map((root.tags || []).map((tag) => [tag.name, { tag, operations: [] }]));
  for (const [path, item] of Object.entries(root.paths)) {
    for (const method of METHODS.filter((each) => item[each])) {
      const name = (item[method].tags || ["Other"])[0];
      if (!groups.has(name)) groups.set(name, { tag: { name }, operations: [] });
      groups.get(name).operations.push(operationOf(method, path, item[method], root));
    }
  }
  main.replaceChildren(
    element("p", {}, root.info.description || ""),
    ...[...groups.values()].filter(({ operations }) => operations.length).map(({ tag, operations }) =>
      element("section", {}, element("h2", {}, tag.name), element("p", { class: "soft" }, tag.description || ""), ...operations)));
  document.getElementById("find").addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase();
    for (const each of main.querySelectorAll("details.operation")) each.hidden = !each.dataset.text.includes(wanted);
  });
}

fetch("/api/docs/openapi.json")
  .then((answer) => answer.json())
  .then(show)
  .catch((error) => { document.getElementById("operations").textContent = `The document could not be read: ${error}`; });

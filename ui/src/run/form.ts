// A form from the JSON schema of an input: flat fields of simple types. Anything else is asked for as JSON.

export interface FormField {
  name: string;
  title: string;
  kind: "string" | "number" | "integer" | "boolean";
  description?: string;
  required: boolean;
  choices?: string[];
  start: string;
}

interface Schema {
  type?: string;
  title?: string;
  description?: string;
  enum?: unknown[];
  default?: unknown;
  properties?: Record<string, Schema>;
  required?: string[];
}

const KINDS = ["string", "number", "integer", "boolean"] as const;

/** The fields of a schema; null where it is more than a form can ask for. */
export function fieldsOf(schema: unknown): FormField[] | null {
  if (typeof schema !== "object" || schema === null) return [];
  const { properties, required = [] } = schema as Schema;
  if (properties === undefined) return null;
  const fields = Object.entries(properties).map(([name, each]) => fieldOf(name, each, required.includes(name)));
  return fields.every((field) => field !== null) ? fields : null;
}

function fieldOf(name: string, schema: Schema, required: boolean): FormField | null {
  const kind = KINDS.find((each) => each === schema.type);
  if (kind === undefined || (schema.enum !== undefined && kind !== "string")) return null;
  const choices = schema.enum?.map(String);
  const start = schema.default ?? choices?.[0] ?? (kind === "boolean" ? false : "");
  return {
    name,
    title: schema.title ?? name,
    kind,
    required,
    start: String(start),
    ...(schema.description === undefined ? {} : { description: schema.description }),
    ...(choices === undefined ? {} : { choices }),
  };
}

export function startOf(fields: FormField[]): Record<string, string> {
  return Object.fromEntries(fields.map((field) => [field.name, field.start]));
}

/** What was filled in, as JSON; undefined while something is missing. */
export function inputOf(fields: FormField[], values: Record<string, string>): { json: unknown } | undefined {
  const json: Record<string, unknown> = {};
  for (const field of fields) {
    const value = values[field.name] ?? "";
    if (value === "" && field.kind !== "string") {
      if (field.required) return undefined;
      continue;
    }
    if (value === "" && !field.required) continue;
    json[field.name] = field.kind === "string" ? value : field.kind === "boolean" ? value === "true" : Number(value);
  }
  return { json };
}

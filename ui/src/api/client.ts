// Sends requests to the API. What each takes and answers is typed from the server's OpenAPI document.
import type { Operations, ProblemDetails } from "./schema";

export type Operation = keyof Operations;
export type Answer<K extends Operation> = Operations[K]["answer"];
export type Query<K extends Operation> = Operations[K]["query"];

type Given<K extends Operation> = {
  [Part in "path" | "query" | "body" as Operations[K][Part] extends undefined ? never : Part]: Operations[K][Part];
};
type Optional<K extends Operation> = {} extends Operations[K]["query"] ? "query" : never;
export type Options<K extends Operation> = Omit<Given<K>, Optional<K>> &
  Partial<Pick<Given<K>, Optional<K> & keyof Given<K>>> & {
    signal?: AbortSignal;
    ifMatch?: string;
    ifNoneMatch?: string;
  };

/** The server refused, or could not be reached. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly details: ProblemDetails | null = null,
  ) {
    super(message);
  }
}

/** Send one request; raises Problem. */
export async function call<K extends Operation>(operation: K, options: Options<K>): Promise<Answer<K>> {
  const [method, template] = operation.split(" ") as [string, string];
  const { path, query, body, signal, ifMatch, ifNoneMatch } = options as {
    path?: Record<string, string>;
    query?: Record<string, unknown>;
    body?: unknown;
    signal?: AbortSignal;
    ifMatch?: string;
    ifNoneMatch?: string;
  };
  const headers: Record<string, string> = { accept: "application/json" };
  if (method !== "GET") headers["dalsegno-page"] = "1";
  if (body !== undefined) headers["content-type"] = "application/json";
  if (ifMatch !== undefined) headers["if-match"] = ifMatch;
  if (ifNoneMatch !== undefined) headers["if-none-match"] = ifNoneMatch;
  const init: RequestInit = { method, headers };
  if (body !== undefined) init.body = JSON.stringify(body);
  if (signal !== undefined) init.signal = signal;
  let answer: Response;
  try {
    answer = await fetch(addressOf(template, path, query), init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem(0, "The server does not answer. This page goes on by itself when it does.");
  }
  if (!answer.ok) throw await problemOf(answer);
  if (answer.status === 204) return undefined as Answer<K>;
  return (await answer.json()) as Answer<K>;
}

/** The address of a request, with its path and query filled in. */
export function addressOf(template: string, path: Record<string, string> = {}, query: Record<string, unknown> = {}) {
  const filled = template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path[name] ?? ""));
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null || value === "" || value === false) continue;
    for (const each of Array.isArray(value) ? value : [value]) parameters.append(name, String(each));
  }
  const text = parameters.toString();
  return text === "" ? filled : `${filled}?${text}`;
}

async function problemOf(answer: Response): Promise<Problem> {
  try {
    const details = (await answer.json()) as ProblemDetails;
    return new Problem(answer.status, details.detail ?? details.title, details);
  } catch {
    return new Problem(answer.status, `The server answered ${answer.status}.`);
  }
}

// The filters of the lists of runs, as they stand in the address: a filter is saved by keeping its link.
import type { StateType } from "../api/schema";
import { STATE_TYPES } from "../design/state";

export interface RunSearch {
  /** Types of states, with commas between. */
  state?: string;
  flow?: string;
  tag?: string;
  name?: string;
  since?: Since;
  /** Also runs that others called. */
  nested?: boolean;
}

export interface TaskRunSearch extends RunSearch {
  task?: string;
}

export const SINCE = { "1h": 3_600, "24h": 86_400, "7d": 7 * 86_400, "30d": 30 * 86_400 } as const;
export type Since = keyof typeof SINCE;

const TEXTS = ["state", "flow", "tag", "name"] as const;

export function readRunSearch(search: Record<string, unknown>): RunSearch {
  const found: RunSearch = {};
  for (const key of TEXTS) {
    const value = search[key];
    if ((typeof value === "string" || typeof value === "number") && value !== "") found[key] = String(value);
  }
  if (typeof search["since"] === "string" && search["since"] in SINCE) found.since = search["since"] as Since;
  if (search["nested"] === true) found.nested = true;
  return found;
}

export function readTaskRunSearch(search: Record<string, unknown>): TaskRunSearch {
  const task = search["task"];
  return typeof task === "string" && task !== "" ? { ...readRunSearch(search), task } : readRunSearch(search);
}

export function stateTypes(search: RunSearch): StateType[] {
  const wanted = (search.state ?? "").split(",");
  return STATE_TYPES.filter((type) => wanted.includes(type));
}

/** The beginning of a span that ends now, on a whole minute so that it stays one question for a while. */
export function begin(since: Since | undefined, now: number = Date.now()): string | undefined {
  if (since === undefined) return undefined;
  return new Date(Math.floor(now / 60_000) * 60_000 - SINCE[since] * 1_000).toISOString();
}

export function words(text: string | undefined): string[] {
  return (text ?? "")
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
}

// States of runs: a shape for each type, so that nobody has to tell colours apart, and the name beside it.
import type { ReactNode } from "react";
import type { StateType } from "../api/schema";

export const STATE_TYPES: readonly StateType[] = [
  "RUNNING",
  "PENDING",
  "SCHEDULED",
  "PAUSED",
  "CANCELLING",
  "COMPLETED",
  "FAILED",
  "CRASHED",
  "CANCELLED",
];
export const ENDED: readonly StateType[] = ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"];

const STROKE = { fill: "none", stroke: "currentColor", strokeWidth: 1.7, strokeLinecap: "round" as const };
const KNOCKED_OUT = { fill: "none", stroke: "var(--surface)", strokeWidth: 1.7, strokeLinecap: "round" as const };

const SHAPES: Record<StateType, ReactNode> = {
  COMPLETED: (
    <>
      <circle cx="8" cy="8" r="7" fill="currentColor" />
      <path d="m4.8 8.3 2.2 2.2 4.2-4.6" {...KNOCKED_OUT} />
    </>
  ),
  FAILED: (
    <>
      <path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" fill="currentColor" />
      <path d="m5.4 5.4 5.2 5.200m0-5.2-5.2 5.2" {...KNOCKED_OUT} />
    </>
  ),
  CRASHED: (
    <>
      <path d="M8 .8 15.6 14.6H.4z" fill="currentColor" strokeLinejoin="round" />
      <path d="M8 6v4m0 2.200v.1" {...KNOCKED_OUT} />
    </>
  ),
  RUNNING: (
    <>
      <circle cx="8" cy="8" r="6" {...STROKE} opacity="0.3" />
      <path className="turning" d="M8 2a6 6 0 0 1 6 6" {...STROKE} strokeWidth="2.2" />
      <circle cx="8" cy="8" r="2.2" fill="currentColor" />
    </>
  ),
  SCHEDULED: (
    <>
      <circle cx="8" cy="8" r="6.2" {...STROKE} />
      <path d="M8 4.800V8l2.3 1.5" {...STROKE} />
    </>
  ),
  PENDING: <circle cx="8" cy="8" r="6" {...STROKE} strokeDasharray="2.4 2.3" />,
  PAUSED: (
    <>
      <rect x="1.5" y="1.5" width="13" height="13" rx="3" {...STROKE} />
      <path d="M6.2 5.400v5.200m3.6-5.200v5.2" {...STROKE} />
    </>
  ),
  CANCELLING: (
    <>
      <circle cx="8" cy="8" r="6.2" {...STROKE} strokeDasharray="2.4 2.3" />
      <path d="m5 11 6-6" {...STROKE} />
    </>
  ),
  CANCELLED: (
    <>
      <circle cx="8" cy="8" r="6.2" {...STROKE} />
      <path d="m3.8 12.2 8.4-8.4" {...STROKE} />
    </>
  ),
};

export function StateIcon({ type, size = 16 }: { type: StateType; size?: number }) {
  return (
    <svg className={`state-icon ${type}`} width={size} height={size} viewBox="0 0 16 16" aria-hidden="true">
      {SHAPES[type]}
    </svg>
  );
}

export function StateLabel({ state }: { state: { type: StateType; name: string } }) {
  return (
    <span className="state">
      <StateIcon type={state.type} />
      {state.name}
    </span>
  );
}

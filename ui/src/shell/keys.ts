// Keys for the common paths: Ctrl-K finds, / goes to the filter, g and a letter goes to a page.
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";

export const GO = {
  h: "/",
  r: "/runs",
  t: "/task-runs",
  f: "/flows",
  a: "/artifacts",
  v: "/variables",
  c: "/concurrency",
} as const;

const SOON = 1_200; // milliseconds between g and its letter

export function useKeys(openPalette: () => void): void {
  const navigate = useNavigate();
  const started = useRef(0);
  useEffect(() => {
    function onKey(event: KeyboardEvent) {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
        event.preventDefault();
        openPalette();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || writes(event.target)) return;
      const now = performance.now();
      if (event.key === "g") {
        started.current = now;
      } else if (event.key === "/") {
        const field = document.querySelector<HTMLElement>("[data-filter]");
        if (field !== null) {
          event.preventDefault();
          field.focus();
        }
      } else if (now - started.current < SOON && event.key in GO) {
        started.current = 0;
        void navigate({ to: GO[event.key as keyof typeof GO] });
      }
    }
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [navigate, openPalette]);
}

function writes(target: EventTarget | null): boolean {
  if (document.querySelector("dialog[open]") !== null) return true;
  return target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

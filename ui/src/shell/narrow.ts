// Whether the window is too narrow for columns: lists then show each row in two lines.
import { useSyncExternalStore } from "react";

const query = matchMedia("(max-width: 700px)");

function subscribe(listener: () => void): () => void {
  query.addEventListener("change", listener);
  return () => query.removeEventListener("change", listener);
}

export function useNarrow(): boolean {
  return useSyncExternalStore(subscribe, () => query.matches);
}

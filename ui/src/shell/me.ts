// Who looks at the page, and what they may do.
import { useAnswer } from "../api/queries";
import type { Me } from "../api/schema";

const ROLES: Me["role"][] = ["viewer", "operator", "editor", "admin"];

export function useMe() {
  return useAnswer("GET /api/me", {});
}

/** Whether who looks has this role or a higher one. */
export function useMay(role: Me["role"]): boolean {
  const me = useMe().data;
  return me !== undefined && ROLES.indexOf(me.role) >= ROLES.indexOf(role);
}

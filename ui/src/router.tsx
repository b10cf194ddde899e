// All addresses of the page. `ADDRESSES` in server/page.py has the same list: the server gives the frame at each.
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from "@tanstack/react-router";
import { readRunSearch, readTaskRunSearch } from "./runs/search";
import { Missing, Shell, Wrong } from "./shell/Shell";

const root = createRootRoute({ component: Shell, notFoundComponent: Missing, errorComponent: Wrong });

const text = (value: unknown): string | undefined =>
  typeof value === "string" || typeof value === "number" ? String(value) : undefined;

/** Keep of a query what is there: an exact optional property is never undefined. */
function only<T extends Record<string, string | undefined>>(values: T): { [K in keyof T]?: string } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: string;
  };
}

const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  component: lazyRouteComponent(() => import("./pages/Home")),
});
const login = createRoute({
  getParentRoute: () => root,
  path: "/login",
  validateSearch: (search) => only({ next: text(search["next"]) }),
  component: lazyRouteComponent(() => import("./pages/Login")),
});
const runs = createRoute({
  getParentRoute: () => root,
  path: "/runs",
  validateSearch: readRunSearch,
  component: lazyRouteComponent(() => import("./runs/FlowRuns")),
});
const run = createRoute({
  getParentRoute: () => root,
  path: "/runs/$id",
  validateSearch: (search) => only({ tab: text(search["tab"]), task: text(search["task"]) }),
  component: lazyRouteComponent(() => import("./run/RunPage")),
});
const taskRuns = createRoute({
  getParentRoute: () => root,
  path: "/task-runs",
  validateSearch: readTaskRunSearch,
  component: lazyRouteComponent(() => import("./runs/TaskRuns")),
});
const taskRun = createRoute({
  getParentRoute: () => root,
  path: "/task-runs/$id",
  validateSearch: (search) => only({ tab: text(search["tab"]) }),
  component: lazyRouteComponent(() => import("./pages/TaskRun")),
});
const flows = createRoute({
  getParentRoute: () => root,
  path: "/flows",
  component: lazyRouteComponent(() => import("./pages/Flows")),
});
const flow = createRoute({
  getParentRoute: () => root,
  path: "/flows/$name",
  component: lazyRouteComponent(() => import("./pages/Flow")),
});
const artifacts = createRoute({
  getParentRoute: () => root,
  path: "/artifacts",
  component: lazyRouteComponent(() => import("./pages/Artifacts")),
});
const artifact = createRoute({
  getParentRoute: () => root,
  path: "/artifacts/$id",
  component: lazyRouteComponent(() => import("./pages/Artifact")),
});
const variables = createRoute({
  getParentRoute: () => root,
  path: "/variables",
  component: lazyRouteComponent(() => import("./pages/Variables")),
});
const concurrency = createRoute({
  getParentRoute: () => root,
  path: "/concurrency",
  component: lazyRouteComponent(() => import("./pages/Concurrency")),
});
const users = createRoute({
  getParentRoute: () => root,
  path: "/users",
  component: lazyRouteComponent(() => import("./pages/Users")),
});
const apiKeys = createRoute({
  getParentRoute: () => root,
  path: "/api-keys",
  component: lazyRouteComponent(() => import("./pages/ApiKeys")),
});
const auditLog = createRoute({
  getParentRoute: () => root,
  path: "/audit-log",
  component: lazyRouteComponent(() => import("./pages/AuditLog")),
});

export const router = createRouter({
  routeTree: root.addChildren([
    home,
    login,
    runs,
    run,
    taskRuns,
    taskRun,
    flows,
    flow,
    artifacts,
    artifact,
    variables,
    concurrency,
    users,
    apiKeys,
    auditLog,
  ]),
  defaultPreload: "intent",
  defaultPreloadDelay: 80,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}

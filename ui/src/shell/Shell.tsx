// What stands around every page: navigation, who is logged in, the palette, keys.
import { Link, Outlet, useNavigate, useRouterState } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import { call, Problem } from "../api/client";
import { queryClient } from "../api/queries";
import { Button, Empty, Loading, ProblemBox } from "../design/components";
import { Sign } from "./Brand";
import { useKeys } from "./keys";
import { useMay, useMe } from "./me";
import { Palette } from "./Palette";

export function Shell() {
  const address = useRouterState({ select: (state) => state.location.pathname });
  return address === "/login" ? <Outlet /> : <LoggedIn />;
}

function LoggedIn() {
  const me = useMe();
  const navigate = useNavigate();
  const here = useRouterState({ select: (state) => state.location.href });
  const [palette, setPalette] = useState(false);
  const [menu, setMenu] = useState(false);
  const loginNeeded = me.error instanceof Problem && me.error.status === 401;
  useKeys(() => setPalette(true));
  useEffect(() => {
    if (loginNeeded) void navigate({ to: "/login", search: here === "/" ? {} : { next: here }, replace: true });
  }, [loginNeeded, here, navigate]);
  useEffect(() => setMenu(false), [here]);
  if (me.data === undefined) {
    return me.error === null || loginNeeded ? (
      <Loading />
    ) : (
      <div className="content">
        <ProblemBox error={me.error} retry={() => void me.refetch()} />
      </div>
    );
  }
  return (
    <div className="shell">
      <a className="skip" href="#main">
        To the content
      </a>
      <header className="bar-top">
        <Link to="/" className="brand">
          <Sign />
          Dalsegno
        </Link>
        <div className="row">
          <Button look="quiet" onClick={() => setPalette(true)} aria-label="Find">
            Find
          </Button>
          <Button look="quiet" aria-expanded={menu} aria-controls="side" onClick={() => setMenu(!menu)}>
            Menu
          </Button>
        </div>
      </header>
      <header className={`side ${menu ? "open" : ""}`} id="side">
        <Link to="/" className="brand">
          <Sign />
          Dalsegno
        </Link>
        <Button look="find" onClick={() => setPalette(true)}>
          Find… <kbd>Ctrl K</kbd>
        </Button>
        <Navigation />
        <Who name={me.data.name} role={me.data.role} via={me.data.via} />
      </header>
      <main className="main" id="main" tabIndex={-1}>
        <Outlet />
      </main>
      {palette && <Palette onClose={() => setPalette(false)} />}
    </div>
  );
}

function Navigation() {
  const admin = useMay("admin");
  return (
    <nav aria-label="Pages">
      <Link to="/" activeOptions={{ exact: true }}>
        Home
      </Link>
      <Link to="/runs">Flow runs</Link>
      <Link to="/task-runs">Task runs</Link>
      <Link to="/flows">Flows</Link>
      <Link to="/artifacts">Artifacts</Link>
      <Link to="/variables">Variables</Link>
      <Link to="/concurrency">Concurrency</Link>
      <span className="line" />
      {admin && <Link to="/users">Users</Link>}
      <Link to="/api-keys">API keys</Link>
      {admin && <Link to="/audit-log">Audit log</Link>}
    </nav>
  );
}

function Who({ name, role, via }: { name: string; role: string; via: string }) {
  const navigate = useNavigate();
  async function logOut() {
    await call("POST /api/logout", {});
    queryClient.clear();
    await navigate({ to: "/login" });
  }
  return (
    <div className="side-foot">
      <div className="who small muted">
        {via === "local" ? "On this machine, no login is needed" : `${name} · ${role}`}
      </div>
      {via === "session" && (
        <Button look="quiet" onClick={() => void logOut()}>
          Log out
        </Button>
      )}
    </div>
  );
}

export function Missing() {
  return (
    <div className="content">
      <Empty title="There is no such page">
        <Link to="/" className="button">
          Home
        </Link>
      </Empty>
    </div>
  );
}

export function Wrong({ error }: { error: unknown }) {
  return (
    <div className="content">
      <ProblemBox error={error} retry={() => location.reload()} />
    </div>
  );
}

// Logging in, and on to the page that was asked for.
import { useNavigate, useSearch } from "@tanstack/react-router";
import { type FormEvent, useState } from "react";
import { call } from "../api/client";
import { queryClient } from "../api/queries";
import { Button, Field, ProblemBox } from "../design/components";
import { Sign } from "../shell/Brand";

export default function Login() {
  const { next } = useSearch({ from: "/login" });
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  async function onSubmit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await call("POST /api/login", { body: { name, password } });
      queryClient.clear();
      await navigate({ href: isOurs(next) ? next : "/", replace: true });
    } catch (raised) {
      setError(raised);
    } finally {
      setBusy(false);
    }
  }
  return (
    <main className="login">
      <form className="card stack" onSubmit={(event) => void onSubmit(event)}>
        <div className="row">
          <Sign size={28} />
          <h1>Log in to Dalsegno</h1>
        </div>
        <Field label="Name">
          <input
            className="input"
            name="name"
            autoComplete="username"
            autoFocus
            required
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </Field>
        <Field label="Password">
          <input
            className="input"
            name="password"
            type="password"
            autoComplete="current-password"
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        </Field>
        <ProblemBox error={error} />
        <Button type="submit" look="primary" disabled={busy}>
          Log in
        </Button>
        <p className="muted small">
          Who has a shell on the server makes accounts with <code>dalsegno user create NAME</code>.
        </p>
      </form>
    </main>
  );
}

/** Whether an address leads to a page of ours; anything else is somebody's trap. */
function isOurs(address: string | undefined): address is string {
  return address !== undefined && address.startsWith("/") && !/^\/[/\\]/.test(address);
}

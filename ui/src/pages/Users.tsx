// Who may log in, and what they may do. For administrators.
import { useState } from "react";
import { call } from "../api/client";
import { queryClient, usePages } from "../api/queries";
import type { Me, UserView } from "../api/schema";
import { Button, Command, Dialog, DialogForm, Empty, Field, Loading, ProblemBox, Time } from "../design/components";
import "./pages.css";

type Role = Me["role"];
const ROLES: [Role, string][] = [
  ["viewer", "sees everything"],
  ["operator", "also cancels, picks up and deletes runs"],
  ["editor", "also changes variables and limits"],
  ["admin", "also makes users"],
];
type Open = "make" | { role: UserView } | { password: UserView } | { remove: UserView };

export default function Users() {
  const users = usePages("GET /api/users", { query: { limit: 100 } });
  const [open, setOpen] = useState<Open | null>(null);
  const close = () => setOpen(null);
  return (
    <div className="content">
      <div className="page-head">
        <h1>Users</h1>
        <Button look="primary" onClick={() => setOpen("make")}>
          New user…
        </Button>
      </div>
      <ProblemBox error={users.error} retry={() => void users.refetch()} />
      {users.data === undefined && users.error === null && <Loading />}
      {users.data !== undefined && users.items.length === 0 && (
        <Empty title="There are no users">
          <p className="muted">
            On this machine nobody has to log in as long as there are none. Make the first one an administrator, here or
            with:
          </p>
          <Command text="dalsegno user create ada --role admin" />
        </Empty>
      )}
      {users.items.length > 0 && (
        <section className="card table-wrap" tabIndex={0} aria-label="Users">
          <table className="table">
            <thead>
              <tr>
                <th>Name</th>
                <th>Role</th>
                <th className="wide-only">Made</th>
                <th className="wide-only">Last login</th>
                <th>
                  <span className="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {users.items.map((user) => (
                <tr key={user.id}>
                  <td>
                    <strong>{user.name}</strong>
                  </td>
                  <td>{user.role}</td>
                  <td className="wide-only">
                    <Time at={user.created} />
                  </td>
                  <td className="wide-only">
                    <Time at={user.last_login} />
                  </td>
                  <td className="end">
                    <span className="row actions">
                      <Button look="narrow" aria-label={`Role of ${user.name}`} onClick={() => setOpen({ role: user })}>
                        Role…
                      </Button>
                      <Button
                        look="narrow"
                        aria-label={`Password of ${user.name}`}
                        onClick={() => setOpen({ password: user })}
                      >
                        Password…
                      </Button>
                      <Button
                        look="narrow danger"
                        aria-label={`Delete ${user.name}`}
                        onClick={() => setOpen({ remove: user })}
                      >
                        Delete…
                      </Button>
                    </span>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      {users.hasNextPage && <Button onClick={() => void users.fetchNextPage()}>More</Button>}
      {open === "make" && <MakeDialog onClose={close} />}
      {open !== null && typeof open === "object" && "role" in open && <RoleDialog user={open.role} onClose={close} />}
      {open !== null && typeof open === "object" && "password" in open && (
        <PasswordDialog user={open.password} onClose={close} />
      )}
      {open !== null && typeof open === "object" && "remove" in open && (
        <RemoveDialog user={open.remove} onClose={close} />
      )}
    </div>
  );
}

async function refresh() {
  // Who looks may be the one who was changed.
  await queryClient.invalidateQueries();
}

export function RoleField({ role, onRole }: { role: Role; onRole: (role: Role) => void }) {
  return (
    <Field label="Role" hint={ROLES.find(([name]) => name === role)?.[1]}>
      <select className="input" value={role} onChange={(event) => onRole(event.target.value as Role)}>
        {ROLES.map(([name]) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </Field>
  );
}

function PasswordField({ password, onPassword }: { password: string; onPassword: (text: string) => void }) {
  return (
    <Field label="Password" hint="At least 12 characters.">
      <input
        className="input"
        type="password"
        autoComplete="new-password"
        required
        value={password}
        onChange={(event) => onPassword(event.target.value)}
      />
    </Field>
  );
}

function MakeDialog({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<Role>("operator");
  return (
    <Dialog title="New user" onClose={onClose}>
      <DialogForm
        submit="Make the user"
        action={async () => {
          await call("POST /api/users", { body: { name, password, role } });
          await refresh();
        }}
      >
        <Field label="Name">
          <input
            className="input"
            autoFocus
            required
            autoComplete="off"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </Field>
        <PasswordField password={password} onPassword={setPassword} />
        <RoleField role={role} onRole={setRole} />
      </DialogForm>
    </Dialog>
  );
}

function RoleDialog({ user, onClose }: { user: UserView; onClose: () => void }) {
  const [role, setRole] = useState<Role>(user.role);
  return (
    <Dialog title={`Role of ${user.name}`} onClose={onClose}>
      <DialogForm
        submit="Save"
        action={async () => {
          await call("PATCH /api/users/{id}", { path: { id: user.id }, body: { role } });
          await refresh();
        }}
      >
        <RoleField role={role} onRole={setRole} />
      </DialogForm>
    </Dialog>
  );
}

function PasswordDialog({ user, onClose }: { user: UserView; onClose: () => void }) {
  const [password, setPassword] = useState("");
  return (
    <Dialog title={`New password of ${user.name}`} onClose={onClose}>
      <DialogForm
        submit="Save"
        action={async () => {
          await call("PATCH /api/users/{id}", { path: { id: user.id }, body: { password } });
          await refresh();
        }}
      >
        <p>Their sessions end.</p>
        <PasswordField password={password} onPassword={setPassword} />
      </DialogForm>
    </Dialog>
  );
}

function RemoveDialog({ user, onClose }: { user: UserView; onClose: () => void }) {
  return (
    <Dialog title={`Delete ${user.name}?`} onClose={onClose}>
      <DialogForm
        submit="Delete the user"
        danger
        action={async () => {
          await call("DELETE /api/users/{id}", { path: { id: user.id } });
          await refresh();
        }}
      >
        <p>Their sessions end and their API keys stop working. What they did stays in the audit log.</p>
      </DialogForm>
    </Dialog>
  );
}

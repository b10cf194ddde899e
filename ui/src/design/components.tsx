// The small design system: what all pages are put together from.
import {
  type ButtonHTMLAttributes,
  createContext,
  type FormEvent,
  type ReactNode,
  useContext,
  useEffect,
  useId,
  useRef,
  useState,
} from "react";
import { Problem as ApiProblem } from "../api/client";
import { ago, duration, moment, utc } from "../text/times";

export function Button({
  look = "",
  ...rest
}: { look?: string } & ButtonHTMLAttributes<HTMLButtonElement>) {
  return <button type="button" className={`button ${look}`} {...rest} />;
}

/** A moment in local time; its title is the exact one in UTC. */
export function Time({ at, relative = false }: { at: string | null | undefined; relative?: boolean }) {
  if (at == null) return <span className="muted">–</span>;
  const date = new Date(at);
  return (
    <time dateTime={at} title={utc(date)} className="number">
      {relative ? ago(date) : moment(date)}
    </time>
  );
}

/** How long something took; while it goes on the figure grows. */
export function Duration({ start, end }: { start: string | null; end: string | null }) {
  const now = useClock(start !== null && end === null);
  if (start === null) return <span className="muted">–</span>;
  return <span className="number">{duration(Math.max(0, (end === null ? now : Date.parse(end)) - Date.parse(start)))}</span>;
}

/** The time now, once a second, while `going`. It moves figures only; it asks for nothing. */
export function useClock(going: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!going) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [going]);
  return now;
}

export function Tags({ tags }: { tags: string[] }) {
  return (
    <>
      {tags.map((tag) => (
        <span className="tag" key={tag} title={tag}>
          {tag}
        </span>
      ))}
    </>
  );
}

/** A command line to copy. */
export function Command({ text }: { text: string }) {
  return (
    <div className="command">
      <code tabIndex={0} aria-label="Command">
        {text}
      </code>
      <Copy text={text} />
    </div>
  );
}

export function Copy({ text, label = "Copy" }: { text: string; label?: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1_600);
    return () => clearTimeout(timer);
  }, [copied]);
  async function copy() {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without TLS there is no clipboard but the old one.
      const field = document.createElement("textarea");
      field.value = text;
      (document.querySelector("dialog[open]") ?? document.body).append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    setCopied(true);
  }
  return (
    <Button look="narrow" onClick={() => void copy()} aria-live="polite">
      {copied ? "Copied" : label}
    </Button>
  );
}

export function Empty({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function Loading() {
  return (
    <div className="empty muted" role="status">
      Loading…
    </div>
  );
}

/** What went wrong, in the server's words, and a way to go on. */
export function ProblemBox({ error, retry }: { error: unknown; retry?: () => void }) {
  if (error == null) return null;
  return (
    <div className="problem" role="alert">
      <span className="grow">{error instanceof Error ? error.message : String(error)}</span>
      {retry !== undefined && (
        <Button look="narrow" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  );
}

export function isMissing(error: unknown): boolean {
  return error instanceof ApiProblem && error.status === 404;
}

const CloseContext = createContext<() => void>(() => {});
/** Closes the dialog that one stands in. */
export const useClose = () => useContext(CloseContext);

export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={element}
      className="dialog"
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={(event) => {
        if (event.target === element.current) onClose();
      }}
    >
      <div className="dialog-head">
        <h2 id={id}>{title}</h2>
        <Button look="quiet narrow" onClick={onClose} aria-label="Close">
          ✕
        </Button>
      </div>
      <CloseContext value={onClose}>{children}</CloseContext>
    </dialog>
  );
}

/** A form in a dialog, which says what went wrong and closes when it went well. */
export function DialogForm({
  action,
  submit,
  danger = false,
  disabled = false,
  children,
}: {
  action: () => Promise<unknown>;
  submit: string;
  danger?: boolean;
  disabled?: boolean;
  children: ReactNode;
}) {
  const close = useClose();
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  async function onSubmit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      if ((await action()) !== "stay") close();
    } catch (raised) {
      setError(raised);
    } finally {
      setBusy(false);
    }
  }
  return (
    <form onSubmit={(event) => void onSubmit(event)} className="stack" style={{ gap: 0, minHeight: 0 }}>
      <div className="dialog-body">
        {children}
        <ProblemBox error={error} />
      </div>
      <div className="dialog-foot">
        <Button onClick={close}>Cancel</Button>
        <Button type="submit" look={danger ? "danger" : "primary"} disabled={busy || disabled}>
          {submit}
        </Button>
      </div>
    </form>
  );
}

export function Field({ label, hint, children }: { label: string; hint?: ReactNode; children: ReactNode }) {
  return (
    <label className="field">
      <span>{label}</span>
      {children}
      {hint !== undefined && <span className="muted small">{hint}</span>}
    </label>
  );
}

export function Choice({
  name,
  value,
  chosen,
  onChoose,
  title,
  children,
}: {
  name: string;
  value: string;
  chosen: string;
  onChoose: (value: string) => void;
  title: string;
  children?: ReactNode;
}) {
  return (
    <label className="choice">
      <input type="radio" name={name} value={value} checked={chosen === value} onChange={() => onChoose(value)} />
      <span>
        <strong>{title}</strong>
        {children !== undefined && <span className="muted"> {children}</span>}
      </span>
    </label>
  );
}

export function Facts({ items }: { items: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {items.map(([name, value]) => (
        <div key={name} style={{ display: "contents" }}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Json({ value, label }: { value: unknown; label: string }) {
  return (
    <pre className="json" tabIndex={0} aria-label={label}>
      {typeof value === "string" ? value : JSON.stringify(value, null, 2)}
    </pre>
  );
}

// A list of any length: rows of one height, drawn only where they are seen; more is asked for near its end. When rows
// are added above what somebody looks at, what they look at stays where it is.
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useLayoutEffect, useRef } from "react";

interface Props<T> {
  items: T[];
  keyOf: (item: T) => string;
  rowHeight: number;
  columns: string;
  head?: ReactNode;
  row: (item: T) => ReactNode;
  selected?: (item: T) => boolean;
  label: string;
  foot?: ReactNode;
  more?: (() => void) | undefined;
  rowClass?: string;
}

const NEAR = 30; // rows before the end at which more is asked for

export function List<T>(props: Props<T>) {
  const { items, keyOf, rowHeight, more } = props;
  const body = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: items.length,
    getScrollElement: () => body.current,
    estimateSize: () => rowHeight,
    overscan: 12,
    getItemKey: (index) => keyOf(items[index] as T),
  });
  useEffect(() => virtual.measure(), [rowHeight, virtual]);
  useStayingPlace(body, items, keyOf, rowHeight);
  const shown = virtual.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  useEffect(() => {
    if (last >= items.length - NEAR) more?.();
  }, [last, items.length, more]);
  const columns = { gridTemplateColumns: props.columns };
  return (
    <div className="list grow" role="table" aria-label={props.label} aria-rowcount={items.length}>
      {props.head !== undefined && (
        <div role="rowgroup">
          <div className={`list-head ${props.rowClass ?? ""}`} role="row" style={columns}>
            {props.head}
          </div>
        </div>
      )}
      <div className="list-body" ref={body} role="rowgroup" tabIndex={0} aria-label={props.label}>
        <div className="list-all" style={{ height: virtual.getTotalSize() }} role="presentation">
          {shown.map((place) => {
            const item = items[place.index] as T;
            return (
              <div
                key={place.key}
                className={`list-row ${props.rowClass ?? ""}`}
                role="row"
                aria-rowindex={place.index + 1}
                data-selected={props.selected?.(item) ?? false}
                style={{ ...columns, height: rowHeight, transform: `translateY(${place.start}px)` }}
              >
                {props.row(item)}
              </div>
            );
          })}
        </div>
      </div>
      {props.foot !== undefined && (
        <div className="list-foot" role="presentation">
          {props.foot}
        </div>
      )}
    </div>
  );
}

function useStayingPlace<T>(
  body: { current: HTMLElement | null },
  items: T[],
  keyOf: (item: T) => string,
  rowHeight: number,
) {
  const before = useRef<string | null>(null);
  useLayoutEffect(() => {
    const first = items[0] === undefined ? null : keyOf(items[0]);
    const element = body.current;
    if (before.current !== null && first !== before.current && element !== null && element.scrollTop > 0) {
      const added = items.findIndex((item) => keyOf(item) === before.current);
      if (added > 0) element.scrollTop += added * rowHeight;
    }
    before.current = first;
  }, [items, keyOf, rowHeight, body]);
}

export function Cell({ children, className = "" }: { children?: ReactNode; className?: string }) {
  return (
    <div role="cell" className={`clip ${className}`}>
      {children}
    </div>
  );
}

export function HeadCell({ children, className = "" }: { children?: ReactNode; className?: string }) {
  return (
    <div role="columnheader" className={`clip ${className}`}>
      {children}
    </div>
  );
}

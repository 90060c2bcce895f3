/** Rows of events, as many as there are: only those in sight are in the page. */

import { useVirtualizer } from "@tanstack/react-virtual";
import {
  type CSSProperties,
  type KeyboardEvent,
  type MouseEvent,
  type ReactNode,
  useCallback,
  useEffect,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { useLocation } from "wouter";
import type { LogEvent } from "../api/types";
import { useShortcuts } from "../app/keys";
import { choose, usePreferences } from "../app/preferences";
import type { Marks } from "../query/marks";
import type { Column, Widths } from "../search/state";
import { ROW_PX } from "../ui/heights";
import type { Look } from "./cells";
import { placed, variables } from "./columns";
import { EventRow } from "./EventRow";
import { useNearby } from "./nearby";
import { OpenEvent } from "./OpenEvent";
import { pointedWord } from "./pointed";
import { SkewNote, useCommonSkew } from "./SkewNote";
import type { SkewKind } from "./skew";
import { TableHead } from "./TableHead";

const OVERSCAN = 12;
const END_PX = 30; // so near is at the end
const NEAR_END = 40; // rows from the end at which more are asked for
const PLACES = 64; // elements that rows take turns in, or a power of two times as many where more are in the page

export interface TableProps {
  events: readonly LogEvent[];
  columns: readonly Column[];
  marks: Marks | null;
  wrap: boolean;
  label: string;
  /** Asked for when the last rows come into sight; absent when there are no more. */
  onEnd?: (() => void) | undefined;
  /** Asked for when somebody scrolls up at the first row, or back to it. */
  onStart?: (() => void) | undefined;
  onTerm?: (added: string, opposite: string) => void;
  /** Looks for a term and nothing else. */
  onAlone?: (term: string) => void;
  onContext?: (id: string) => void;
  onColumns?: (columns: readonly Column[]) => void;
  /** Before those that this browser keeps; while there are any, what is dragged changes these. */
  widths?: Widths;
  onWidths?: (widths: Widths) => void;
  /** Something before a row, such as a silence. */
  between?: (index: number) => ReactNode;
  /** The event that the page is about. */
  current?: string;
  /** How often it was asked for: another number brings it into sight again. */
  asked?: number;
  /** Follows the newest row at the end while it is in sight. */
  sticky?: boolean;
  onScrolledAway?: (away: boolean) => void;
  /** Somebody opens a row, to read it. */
  onOpened?: () => void;
  foot?: ReactNode;
  selectedRef?: { current: LogEvent | null };
  /** Another table has the keys of the page; this one has the arrows, while it has the focus. */
  isBeside?: boolean;
}

export function EventTable(props: TableProps) {
  const common = useCommonSkew(props.events);
  return (
    <>
      <SkewNote common={common} />
      <Table {...props} commonSkew={common} />
    </>
  );
}

function Table(props: TableProps & { commonSkew: SkewKind | null }) {
  const { events, columns, marks, wrap, label, between, current, foot } = props;
  const { density, zone, clock, widths: own } = usePreferences();
  const brought = props.onWidths && Object.keys(props.widths ?? {}).length > 0 ? props.widths : undefined;
  const widths = useMemo(() => ({ ...own, ...brought }), [own, brought]);
  const scroller = useRef<HTMLDivElement>(null);
  const [, go] = useLocation();
  const ids = useId();
  const [chosen, setChosen] = useState("");
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const [clicked, setClicked] = useState({ id: "", word: "" });
  const laid = useMemo(() => placed(columns, widths), [columns, widths]);
  const laidOut = useMemo(() => variables(laid) as CSSProperties, [laid]);
  const { commonSkew } = props;
  const look = useMemo<Look>(
    () => ({ columns: laid, marks, wrap, zone, clock, commonSkew }),
    [laid, marks, wrap, zone, clock, commonSkew],
  );
  const measured = wrap || open.size > 0 || between !== undefined;
  // By its id: rows that come before it, or go, move it.
  const selected = useMemo(() => (chosen ? events.findIndex(({ id }) => id === chosen) : -1), [events, chosen]);

  // The same function while the events are the same: another one would have all rows measured again at each scroll.
  const keyOf = useCallback((index: number) => events[index]!.id, [events]);
  const nearby = useNearby(props.sticky ?? false);
  const rows = useVirtualizer({
    count: events.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_PX[density],
    getItemKey: keyOf,
    overscan: props.sticky ? 0 : OVERSCAN,
    rangeExtractor: nearby.extract,
    scrollPaddingStart: ROW_PX[density], // the head covers the first row's height
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: sizes are of these, and change with them
  useLayoutEffect(() => {
    rows.measure();
    // What is open may be as high as before, and nobody would tell.
    if (measured)
      for (const place of scroller.current?.querySelectorAll(".row-place") ?? []) rows.measureElement(place);
  }, [density, wrap]);
  // Rows of one height leave their elements to those that come: texts change, and nothing is made or measured.
  const recycled = !measured;
  const items = rows.getVirtualItems();
  const places = placesFor(items.length);
  useKeptPlace(events, scroller, ROW_PX[density], props.sticky ?? false);
  useEnd(items, events.length, props);
  useStart(scroller, props);
  useFollowing(events, scroller, props);

  const { onOpened } = props;
  const toggle = useCallback(
    (id: string) => {
      if (!open.has(id)) onOpened?.();
      setOpen((before) => {
        const after = new Set(before);
        if (!after.delete(id)) after.add(id);
        return after;
      });
    },
    [open, onOpened],
  );
  const select = (index: number) => {
    const at = Math.max(0, Math.min(events.length - 1, index));
    if (!events.length) return;
    setChosen(events[at]!.id);
    scroller.current?.focus({ preventScroll: true }); // Enter and the arrows go on from here
    rows.scrollToIndex(at, { align: "auto" });
  };
  useEffect(() => {
    if (props.selectedRef) props.selectedRef.current = events[selected] ?? null;
  }, [selected, events, props.selectedRef]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each time is another wish to see it
  useEffect(() => {
    const at = current ? events.findIndex((event) => event.id === current) : -1;
    if (at >= 0 && !isInSight(scroller.current, `${ids}-${at}`)) rows.scrollToIndex(at, { align: "center" });
  }, [current, props.asked, events, rows, ids]);

  const here = events[selected];
  const toWords = (id: string) => {
    if (!open.has(id)) toggle(id);
    requestAnimationFrame(() =>
      scroller.current?.querySelector<HTMLElement>(`[data-event="${CSS.escape(id)}"] .word-bar select`)?.focus(),
    );
  };
  const { onWidths } = props;
  const onWidth = useCallback(
    (field: string, width: number | null, kept: boolean) => {
      const changed = (before: Widths) => {
        const { [field]: _, ...others } = before;
        return width === null ? others : { ...others, [field]: width };
      };
      if (kept) return brought ? onWidths?.(changed(brought)) : choose({ widths: changed(own) });
      // While it is dragged no row is made again: all of them follow these variables.
      for (const [name, value] of Object.entries(variables(placed(columns, changed(widths)))))
        scroller.current?.style.setProperty(name, value);
    },
    [columns, widths, own, brought, onWidths],
  );
  const { onContext, onTerm } = props;
  const wordsKey = { keys: "f", does: "words of the row, to search for them", run: () => here && toWords(here.id) };
  const contextKey = { keys: "c", does: "context of the row", run: () => here && onContext?.(here.id) };
  const keys = [
    { keys: "j", does: "next row", run: () => select(selected + 1) },
    { keys: "k", does: "row before", run: () => select(selected - 1) },
    { keys: "o", does: "open or close the row (also Enter)", run: () => here && toggle(here.id) },
    ...(onTerm ? [wordsKey] : []),
    ...(onContext ? [contextKey] : []),
    { keys: "shift+g", does: "to the last row", run: () => select(events.length - 1) },
    { keys: "Home", does: "to the first row", run: () => select(0) },
  ];
  useShortcuts("Rows", props.isBeside ? [] : keys);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== scroller.current) return;
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 20, PageUp: -20 }[event.key];
    if (step) select(selected + step);
    else if (event.key === "Enter" && here) toggle(here.id);
    else return;
    event.preventDefault();
  };
  const onClick = (event: MouseEvent) => {
    const target = event.target as HTMLElement;
    const link = target.closest<HTMLAnchorElement>("a.issue-mark");
    if (link && isPlainClick(event)) {
      event.preventDefault();
      go(`~${link.getAttribute("href")}`);
    }
    const row = target.closest<HTMLElement>("[data-row]");
    const found = row ? events[Number(row.dataset.row)] : undefined;
    if (!found || !row || target.closest("a, button, .open-event") || hasSelection()) return;
    setChosen(found.id);
    setClicked({ id: found.id, word: pointedWord(event) });
    toggle(found.id);
  };

  return (
    <div
      ref={scroller}
      className={`rows${wrap ? " wrapped" : ""}`}
      role="treegrid"
      aria-label={label}
      aria-rowcount={events.length}
      aria-activedescendant={here ? `${ids}-${selected}` : undefined}
      tabIndex={0}
      style={laidOut}
      onKeyDown={onKeyDown}
      onClick={onClick}
    >
      <TableHead
        columns={laid}
        onWidth={onWidth}
        clock={clock}
        {...(props.onColumns ? { onColumns: props.onColumns } : {})}
      />
      <div className="rows-space" role="rowgroup" style={{ height: `${rows.getTotalSize()}px` }}>
        {items.map((item) => {
          const event = events[item.index]!;
          const isOpen = open.has(event.id);
          return (
            <div
              key={recycled ? item.index % places : item.key}
              ref={measured ? rows.measureElement : undefined}
              data-index={item.index}
              className="row-place"
              style={{ transform: `translateY(${item.start}px)` }}
            >
              {between?.(item.index)}
              <EventRow
                event={event}
                look={look}
                id={`${ids}-${item.index}`}
                index={item.index}
                isOpen={isOpen}
                isSelected={item.index === selected}
                isCurrent={event.id === current}
                isBrief={recycled && !nearby.hasCells(item.index)}
              />
              {isOpen && (
                <div role="row" data-event={event.id}>
                  <div role="gridcell">
                    <OpenEvent
                      event={event}
                      marks={marks}
                      word={clicked.id === event.id ? clicked.word : ""}
                      {...(props.onAlone ? { onAlone: props.onAlone } : {})}
                      {...(props.onTerm ? { onTerm: props.onTerm } : {})}
                      {...(props.onContext ? { onContext: props.onContext } : {})}
                      {...(props.onColumns ? { onColumn: (field: string) => toggleColumn(props, field) } : {})}
                    />
                  </div>
                </div>
              )}
            </div>
          );
        })}
      </div>
      {foot}
    </div>
  );
}

/** Rows in the page stand one after the other, so no two of so few have the same place. */
function placesFor(rows: number): number {
  let places = PLACES;
  while (places < rows) places *= 2;
  return places;
}

function toggleColumn({ columns, onColumns }: TableProps, field: string): void {
  const without = columns.filter((column) => column.field !== field);
  onColumns?.(without.length < columns.length ? without : [...columns, { field, pinned: false }]);
}

function isInSight(scroller: HTMLElement | null, id: string): boolean {
  const row = scroller ? document.getElementById(id) : null;
  if (!row || !scroller) return false;
  const [inner, outer] = [row.getBoundingClientRect(), scroller.getBoundingClientRect()];
  return inner.bottom > outer.top && inner.top < outer.bottom;
}

/** Not one that asks for another tab or window. */
function isPlainClick(event: MouseEvent): boolean {
  return event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
}

function hasSelection(): boolean {
  return (window.getSelection()?.toString().length ?? 0) > 0;
}

/** What is in sight stays there when rows come before it. */
function useKeptPlace(
  events: readonly LogEvent[],
  scroller: { current: HTMLDivElement | null },
  rowPx: number,
  sticky: boolean,
): void {
  const first = useRef<string | undefined>(undefined);
  useLayoutEffect(() => {
    const element = scroller.current;
    const known = first.current;
    first.current = events[0]?.id;
    if (!element || known === undefined || known === first.current || sticky) return;
    const added = events.findIndex((event) => event.id === known);
    if (added > 0 && element.scrollTop > 0) element.scrollTop += added * rowPx;
  }, [events, scroller, rowPx, sticky]);
}

/** The end stays in sight while it is followed; who scrolls away from it is told. */
function useFollowing(
  events: readonly LogEvent[],
  scroller: { current: HTMLDivElement | null },
  { sticky, onScrolledAway }: TableProps,
): void {
  // biome-ignore lint/correctness/useExhaustiveDependencies: each new list is followed to its end
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element && sticky) element.scrollTop = element.scrollHeight;
  }, [events, sticky, scroller]);
  useEffect(() => {
    const element = scroller.current;
    if (!element || !onScrolledAway) return;
    let before = element.scrollTop;
    const scrolled = () => {
      const left = element.scrollHeight - element.clientHeight - element.scrollTop;
      if (element.scrollTop < before - 2 && left > END_PX) onScrolledAway(true);
      else if (left <= END_PX) onScrolledAway(false);
      before = element.scrollTop;
    };
    element.addEventListener("scroll", scrolled, { passive: true });
    return () => element.removeEventListener("scroll", scrolled);
  }, [scroller, onScrolledAway]);
}

function useEnd(shown: readonly { index: number }[], total: number, { onEnd }: TableProps): void {
  const last = shown[shown.length - 1]?.index ?? -1;
  const nearEnd = total > 0 && last >= total - NEAR_END;
  useEffect(() => {
    if (nearEnd) onEnd?.();
  }, [nearEnd, onEnd]);
}

function useStart(scroller: { current: HTMLDivElement | null }, { onStart }: TableProps): void {
  useEffect(() => {
    const element = scroller.current;
    if (!element || !onStart) return;
    let before = element.scrollTop;
    const scrolled = () => {
      if (element.scrollTop === 0 && before > 0) onStart();
      before = element.scrollTop;
    };
    const turned = ({ deltaY }: WheelEvent) => {
      if (deltaY < 0 && element.scrollTop === 0) onStart();
    };
    element.addEventListener("scroll", scrolled, { passive: true });
    element.addEventListener("wheel", turned, { passive: true });
    return () => {
      element.removeEventListener("scroll", scrolled);
      element.removeEventListener("wheel", turned);
    };
  }, [scroller, onStart]);
}

/** The keyboard: what is pressed, what it does, and the list of it that `?` shows. */
import { useEffect, useRef, useSyncExternalStore } from "react";

export interface Shortcut {
  /** `/`, `j`, `shift+x`, `Escape`, or two in a row: `g s`. */
  keys: string;
  does: string;
  run: () => void;
  /** Also while something is being typed. */
  always?: boolean;
}

export interface Group {
  name: string;
  shortcuts: Shortcut[];
}

const SEQUENCE_MS = 1200; // between the two keys of one shortcut
const groups = new Set<Group>();
const listeners = new Set<() => void>();
let listed: readonly Group[] = [];
let before = { key: "", at: 0 };

function changed(): void {
  listed = [...groups];
  for (const tell of listeners) tell();
}

/** These shortcuts work while the component is there. */
export function useShortcuts(name: string, shortcuts: Shortcut[]): void {
  const latest = useRef(shortcuts);
  latest.current = shortcuts;
  const keys = shortcuts.map((each) => each.keys).join("\n");
  useEffect(() => {
    if (!keys) return;
    const group: Group = {
      name,
      shortcuts: keys.split("\n").map((pressed, index) => ({
        keys: pressed,
        does: latest.current[index]?.does ?? "",
        always: latest.current[index]?.always ?? false,
        run: () => latest.current[index]?.run(),
      })),
    };
    groups.add(group);
    changed();
    return () => {
      groups.delete(group);
      changed();
    };
  }, [name, keys]);
}

/** Groups of one name as one; of two shortcuts with the same keys the last one works. */
export function merged(all: readonly Group[]): Group[] {
  const found = new Map<string, Map<string, Shortcut>>();
  for (const { name, shortcuts } of all) {
    const group = found.get(name) ?? new Map<string, Shortcut>();
    for (const shortcut of shortcuts) group.set(shortcut.keys, shortcut);
    found.set(name, group);
  }
  return [...found].map(([name, shortcuts]) => ({ name, shortcuts: [...shortcuts.values()] }));
}

/** All that work now, for the list. */
export function useShortcutList(): readonly Group[] {
  return useSyncExternalStore(
    (tell) => {
      listeners.add(tell);
      return () => listeners.delete(tell);
    },
    () => listed,
  );
}

/** Runs what belongs to a pressed key. Later groups win: a panel's Escape comes before the page's. */
export function onKeyDown(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  const pressed = nameOf(event);
  const typing = isTyping(event.target);
  const sequence = Date.now() - before.at < SEQUENCE_MS ? `${before.key} ${pressed}` : "";
  before = { key: typing ? "" : pressed, at: Date.now() };
  for (const wanted of [sequence, pressed]) {
    const found = wanted ? find(wanted, typing) : undefined;
    if (found) {
      event.preventDefault();
      before.key = "";
      found.run();
      return;
    }
  }
  if (typing && pressed === "Escape") leave(event.target as HTMLElement);
}

/** A field that the keyboard led into is left by Escape, so that the other keys work again. */
function leave(field: HTMLElement): void {
  if (!field.matches("input, textarea, select") || field.closest("dialog, [popover]")) return; // these close
  if (field.matches("[type=search]") && (field as HTMLInputElement).value) return; // it is emptied
  field.blur();
}

function find(pressed: string, typing: boolean): Shortcut | undefined {
  if (document.querySelector("dialog[open]")) return undefined; // its own keys, by the library
  for (const group of [...groups].reverse())
    for (const shortcut of group.shortcuts)
      if (shortcut.keys === pressed && (!typing || shortcut.always)) return shortcut;
  return undefined;
}

function nameOf(event: KeyboardEvent): string {
  const letter = event.key.length === 1 && /[a-zA-Z]/.test(event.key);
  return letter && event.shiftKey ? `shift+${event.key.toLowerCase()}` : event.key;
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return (
    target.isContentEditable ||
    /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) ||
    target.role?.startsWith("menuitem") === true
  );
}

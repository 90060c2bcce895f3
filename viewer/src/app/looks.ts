/** What a person chose for this browser: look, density, zone of times. Kept in local storage, never sent anywhere. */
import type { Zone } from "../time/format";

/** Whose clock rows show: the sender's own, or when it was received. */
export type Clock = "sender" | "server";

export interface Preferences {
  theme: "system" | "light" | "dark";
  density: "compact" | "cosy";
  zone: Zone;
  clock: Clock;
  /** Of columns, by field, in characters; those that were never changed are not here. */
  widths: Readonly<Record<string, number>>;
  /** By app: the search that the viewer opens with, as it stands in an address; of accounts the server keeps it. */
  starts: Readonly<Record<string, string>>;
}

const PLACE = "logkeep.preferences";
const FIRST: Preferences = {
  theme: "system",
  density: "compact",
  zone: "utc",
  clock: "sender",
  widths: {},
  starts: {},
};
const listeners = new Set<() => void>();
let current: Preferences = read();

function read(): Preferences {
  try {
    return { ...FIRST, ...(JSON.parse(localStorage.getItem(PLACE) ?? "{}") as Partial<Preferences>) };
  } catch {
    return FIRST; // storage is forbidden or holds something else
  }
}

/** Makes the document look as chosen; called once at the start and after each change. */
export function applyPreferences(): void {
  const root = document.documentElement;
  root.dataset.theme = current.theme;
  root.dataset.density = current.density;
}

export function choose(changed: Partial<Preferences>): void {
  current = { ...current, ...changed };
  try {
    localStorage.setItem(PLACE, JSON.stringify(current));
  } catch {
    // It holds for this page then.
  }
  applyPreferences();
  for (const tell of listeners) tell();
}

export function subscribe(tell: () => void): () => void {
  listeners.add(tell);
  return () => listeners.delete(tell);
}

export function preferences(): Preferences {
  return current;
}

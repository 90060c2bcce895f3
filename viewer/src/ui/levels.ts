export const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"] as const;

export function levelClass(level: string | undefined): string {
  return `lv lv-${level || "none"}`;
}

/** One of COLOURS for a component: always the same for a name. */
export const COLOURS = 12;
export function colourOf(name: string): number {
  let hash = 0;
  for (let at = 0; at < name.length; at += 1) hash = (hash * 31 + name.charCodeAt(at)) >>> 0;
  return hash % COLOURS;
}

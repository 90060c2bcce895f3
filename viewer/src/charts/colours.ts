/** Colours of charts, from the style sheet, so that dark and light are chosen in one place. */

export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim() || "#888888";
}

/** Worst at the bottom, where a small share is seen best. */
export const STACK = ["fatal", "error", "warn", "info", "debug", "trace", ""] as const;

export function levelColour(level: string): string {
  return colour(level || "none");
}

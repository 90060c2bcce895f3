/** A range of time as it stands in the address: `from` and `to`, each absolute, relative, or "" for its default. */

export interface Range {
  from: string;
  to: string;
}

export const PRESETS: readonly [from: string, name: string][] = [
  ["-5m", "5 minutes"],
  ["-15m", "15 minutes"],
  ["-1h", "hour"],
  ["-6h", "6 hours"],
  ["-24h", "24 hours"],
  ["-3d", "3 days"],
  ["-7d", "7 days"],
  ["", "everything kept"],
];

const UNIT_MS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const RELATIVE = /^(?:now)?\s*([+-])((?:\d{1,9}(?:ms|[smhdw]))+)$/;

/** Milliseconds of `text`, null when it is no time. As src/logkeep/api/times.py reads it. */
export function parseTime(text: string, now: number): number | null {
  const trimmed = text.trim();
  if (trimmed === "now") return now;
  if (/^\d{1,15}$/.test(trimmed)) return Number(trimmed);
  const relative = RELATIVE.exec(trimmed);
  if (relative) {
    let ms = 0;
    for (const [, number, unit] of relative[2]!.matchAll(/(\d+)(ms|[smhdw])/g)) ms += Number(number) * UNIT_MS[unit!]!;
    return now + (relative[1] === "+" ? ms : -ms);
  }
  if (!/^\d{4}-\d{2}-\d{2}/.test(trimmed)) return null;
  const hasZone = /(?:[Zz]|[+-]\d{2}:?\d{2})$/.test(trimmed.slice(10));
  const at = Date.parse(trimmed.length > 10 && !hasZone ? `${trimmed.replace(" ", "T")}Z` : trimmed.replace(" ", "T"));
  return Number.isNaN(at) ? null : at;
}

/** Begin and end in milliseconds; without them what the API takes: everything kept, until ten minutes from now. */
export function resolve(range: Range, now: number, retentionDays: number): { from: number; to: number } {
  const to = (range.to ? parseTime(range.to, now) : null) ?? now;
  const from = (range.from ? parseTime(range.from, now) : null) ?? now - (retentionDays + 1) * UNIT_MS.d!;
  return { from, to };
}

/** The range before or after this one, of the same length. */
export function shifted(range: Range, direction: -1 | 1, now: number, retentionDays: number): Range {
  const { from, to } = resolve(range, now, retentionDays);
  const width = to - from;
  return absolute(from + direction * width, to + direction * width);
}

/** So many times as long, around the same middle: 2 is twice the time, 0.5 half of it. */
export function widened(range: Range, times: number, now: number, retentionDays: number): Range {
  const { from, to } = resolve(range, now, retentionDays);
  const [middle, half] = [(from + to) / 2, ((to - from) / 2) * times];
  return absolute(middle - half, middle + half);
}

export function absolute(from: number, to: number): Range {
  return { from: new Date(Math.round(from)).toISOString(), to: new Date(Math.round(to)).toISOString() };
}

export function isRelative(range: Range): boolean {
  return !range.to && (range.from === "" || /^-/.test(range.from));
}

/** The whole range lies before what is kept. */
export function isBeyondRetention(range: Range, now: number, retentionDays: number): boolean {
  if (!range.to) return false;
  const oldest = now - (now % UNIT_MS.d!) - retentionDays * UNIT_MS.d!;
  return resolve(range, now, retentionDays).to <= oldest;
}

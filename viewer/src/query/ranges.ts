/** Sets of characters as ranges of code points, both ends included. */
export type Ranges = readonly (readonly [number, number])[];

const LAST = 0x10ffff;

export function one(character: string): Ranges {
  const code = character.codePointAt(0)!;
  return [[code, code]];
}

/** All of them in order, those that touch as one. */
export function united(ranges: Ranges): Ranges {
  const found: [number, number][] = [];
  for (const [low, high] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = found[found.length - 1];
    if (last && low <= last[1] + 1) last[1] = Math.max(last[1], high);
    else found.push([low, high]);
  }
  return found;
}

export function inverted(ranges: Ranges): Ranges {
  const found: [number, number][] = [];
  let start = 0;
  for (const [low, high] of united(ranges)) {
    if (low > start) found.push([start, low - 1]);
    start = high + 1;
  }
  if (start <= LAST) found.push([start, LAST]);
  return found;
}

export function areDisjoint(some: Ranges, others: Ranges): boolean {
  return !some.some(([low, high]) => others.some(([from, to]) => low <= to && from <= high));
}

/** As a class of a JavaScript regex with the flag `u`. */
export function classOf(ranges: Ranges): string {
  return `[${ranges.map(([low, high]) => (low === high ? coded(low) : `${coded(low)}-${coded(high)}`)).join("")}]`;
}

function coded(code: number): string {
  return `\\u{${code.toString(16)}}`;
}

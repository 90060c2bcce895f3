/** Counts per bucket and group as columns to be painted over each other. */

export interface Bucket {
  start: string;
  total: number;
  counts: Record<string, number>;
}

export interface Stack {
  /** Seconds, the begin of each bucket. */
  times: number[];
  /** Of each group with all below it, in the order of `groups`. */
  sums: number[][];
  groups: string[];
}

export function stacked(buckets: readonly Bucket[], order: readonly string[]): Stack {
  const present = new Set(buckets.flatMap((bucket) => Object.keys(bucket.counts)));
  const groups = [...order.filter((group) => present.has(group)), ...[...present].filter((g) => !order.includes(g))];
  const below = buckets.map(() => 0);
  const sums = groups.map((group) =>
    buckets.map((bucket, index) => {
      below[index] = below[index]! + (bucket.counts[group] ?? 0);
      return below[index]!;
    }),
  );
  return { times: buckets.map((bucket) => Date.parse(bucket.start) / 1000), sums, groups };
}

/** Without the empty ones at the end that have not begun at `now`. */
export function withoutFuture<Each extends Bucket>(buckets: readonly Each[], now: number): Each[] {
  const last = buckets.findLastIndex(({ start, total }) => total > 0 || Date.parse(start) <= now);
  return buckets.slice(0, last + 1);
}

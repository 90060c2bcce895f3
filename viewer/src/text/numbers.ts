/** Numbers for people, in English. By hand: the browser's formatters take longer to be made than the page to be drawn. */
const LARGE: readonly [number, string][] = [
  [1e3, "K"],
  [1e6, "M"],
  [1e9, "B"],
  [1e12, "T"],
];

/** `1,234,567`, `0.125`: three digits after the point at most. */
export function count(number: number | bigint): string {
  const rounded = typeof number === "bigint" ? number : Math.round(number * 1000) / 1000;
  const [whole = "", rest] = String(rounded).replace(/^-/, "").split(".");
  const grouped = whole.replace(/\B(?=(?:\d{3})+$)/g, ",");
  return `${number < 0 ? "-" : ""}${grouped}${rest ? `.${rest}` : ""}`;
}

/** `9,999`, `12.3K`, `4M`: what there is room for. */
export function short(number: number): string {
  if (Math.abs(number) < 10_000) return count(number);
  let at = 0;
  while (at < LARGE.length - 1 && Math.abs(rounded(number, at)) >= 1000) at += 1;
  return `${count(rounded(number, at))}${LARGE[at]![1]}`;
}

function rounded(number: number, at: number): number {
  return Math.round((number / LARGE[at]![0]) * 10) / 10;
}

export function bytes(number: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  let rest = number;
  while (rest >= 1000 && at < units.length - 1) {
    rest /= 1000;
    at += 1;
  }
  return `${at && rest < 10 ? rest.toFixed(1) : Math.round(rest)} ${units[at]}`;
}

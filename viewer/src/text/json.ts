/**
 * JSON in which whole numbers keep all their digits: those that a number of JavaScript cannot hold are ids, mostly, and are
 * read as `bigint`. In between they are texts that begin with half a character, as none of the API's does.
 */
const HALF = "\ud800";
const MAY_BE_LARGE = /(?:^|[:[,])\s*-?\d{16}/;
const TEXTS_AND_LARGE = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d{16,}(?![\d.eE])/g;

export function readJson(text: string): unknown {
  if (!MAY_BE_LARGE.test(text)) return JSON.parse(text);
  const marked = text.replace(TEXTS_AND_LARGE, (found) =>
    found.startsWith('"') || Number.isSafeInteger(Number(found)) ? found : `"\\ud800${found}"`,
  );
  return JSON.parse(marked, (_, value: unknown) =>
    typeof value === "string" && value.startsWith(HALF) ? BigInt(value.slice(1)) : value,
  );
}

export function writeJson(value: unknown, indent = 0): string {
  const text = JSON.stringify(
    value,
    (_, each: unknown) => (typeof each === "bigint" ? `${HALF}${each}` : each),
    indent,
  ) as string | undefined;
  return text === undefined ? "" : text.replace(/"\\ud800(-?\d+)"/g, "$1");
}

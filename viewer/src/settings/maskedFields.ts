/** Names of fields as they are typed: one a line, or with commas between. */

/** A name with a space in it stays one, so that it is refused instead of masking two fields that nobody meant. */
export function readFields(text: string): string[] {
  return text
    .split(/[\n,]/)
    .map((name) => name.trim())
    .filter(Boolean);
}

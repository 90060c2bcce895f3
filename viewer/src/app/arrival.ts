/** Addresses as people guess, type or paste them, made the ones that the viewer has. */

const SEARCHES = /^\/app\/?$|^\/app\/tail$/;
const GUESSED = /^\/app\/(session|device|user|issue|event)s?\/(.+)$/;
const NAMED = { session: "session", device: "device", user: "user", issue: "id", event: "id" } as const;

/** The address that is meant, null for one that is as it should be. start: the search that somebody begins with. */
export function betterAddress(path: string, search: string, start: string): string | null {
  const given = new URLSearchParams(search);
  const [, place, name] = GUESSED.exec(path) ?? [];
  if (place && name) {
    given.set(NAMED[place as keyof typeof NAMED], decoded(name));
    return `/app/${place}?${given}`;
  }
  if (!SEARCHES.test(path)) return null;
  if (given.has("query")) {
    if (!given.has("q")) given.set("q", given.get("query")!); // as the API calls it
    given.delete("query");
    return given.size ? `${path}?${given}` : path;
  }
  return /^\/app\/?$/.test(path) && start && given.size === 0 ? `${path}?${start}` : null;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

import { plain } from "../text/symbols";
import { cut } from "../text/values";

const SUBJECT_CHARS_MAX = 60;

/** What a tab and the browser's history say of a page: what it is about, which place it is. */
export function titleOf(path: string, search: string, places: readonly { path: string; name: string }[]): string {
  const [, first = "", part = ""] = path.split("/");
  const given = new URLSearchParams(search);
  const subject = given.get(first) ?? given.get("id") ?? given.get("q") ?? part;
  const words = first.replaceAll("-", " ");
  const name = places.find((place) => place.path === path)?.name || words.charAt(0).toUpperCase() + words.slice(1);
  return [cut(plain(subject), SUBJECT_CHARS_MAX), name, "Logkeep"].filter(Boolean).join(" – ");
}

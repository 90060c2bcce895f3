/** Addresses of single things, inside the viewer and whole. */
import { address } from "../api/client";
import { told } from "../api/told";
import { type Column, FIRST_COLUMNS, writeColumns } from "../search/state";

/** columns: of the table that it stood in, kept for its neighbours. */
export function eventHref(id: string, columns: readonly Column[] = FIRST_COLUMNS): string {
  const chosen = columns === FIRST_COLUMNS ? "" : `&cols=${encodeURIComponent(writeColumns(columns))}`;
  return `/event?id=${encodeURIComponent(id)}${chosen}`;
}

export function sessionHref(session: string): string {
  return `/session?session=${encodeURIComponent(session)}`;
}

export function namedHref(of: "user" | "device", name: string): string {
  return `/${of}?${of}=${encodeURIComponent(name)}`;
}

/** An address of the viewer, to be pasted elsewhere: it names its app, and may be that of a page with a query. */
export function wholeUrl(href: string): string {
  const url = new URL(`/app${href}`, location.origin);
  url.searchParams.set("app", told.app);
  return url.href;
}

/** Of the page that is shown. */
export function hereUrl(): string {
  return wholeUrl(location.pathname.replace(/^\/app/, "") + location.search);
}

export function eventUrl(id: string): string {
  return wholeUrl(eventHref(id));
}

export function sessionUrl(session: string): string {
  return wholeUrl(sessionHref(session));
}

export function curlOf(id: string): string {
  const url = location.origin + address(`/api/v1/events/${encodeURIComponent(id)}`);
  return `curl -H "Authorization: Bearer $LOGKEEP_TOKEN" ${shellQuoted(url)}`;
}

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

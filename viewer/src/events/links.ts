/** Addresses of single things, inside the viewer and whole. */
import { address } from "../api/client";
import { told } from "../api/told";

export function eventHref(id: string): string {
  return `/event?id=${encodeURIComponent(id)}`;
}

export function sessionHref(session: string): string {
  return `/session?session=${encodeURIComponent(session)}`;
}

export function namedHref(of: "user" | "device", name: string): string {
  return `/${of}?${of}=${encodeURIComponent(name)}`;
}

/** To be pasted elsewhere. */
export function eventUrl(id: string): string {
  return `${location.origin}/app${eventHref(id)}&app=${encodeURIComponent(told.app)}`;
}

export function sessionUrl(session: string): string {
  return `${location.origin}/app${sessionHref(session)}&app=${encodeURIComponent(told.app)}`;
}

export function curlOf(id: string): string {
  const url = location.origin + address(`/api/v1/events/${encodeURIComponent(id)}`);
  return `curl -H "Authorization: Bearer $LOGKEEP_TOKEN" ${shellQuoted(url)}`;
}

function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

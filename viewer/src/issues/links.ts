/** Addresses of issues, and of lists of them. */
import type { LogEvent } from "../api/types";

export const KINDS = ["crash", "issue", "feedback"] as const;
export type Kind = (typeof KINDS)[number];

export function issueHref(issue: string): string {
  return `/issue?id=${encodeURIComponent(issue)}`;
}

/** All issues, whatever their status, that met this session, device or user. */
export function issuesOfHref(of: "session" | "device" | "user", name: string): string {
  return `/issues?status=all&${of}=${encodeURIComponent(name)}`;
}

/** The issue that an event stands for, null when it is another event. */
export function issueOf(event: LogEvent): { issue: string; kind: Kind } | null {
  const issue = event.attributes?.issue;
  if (typeof issue !== "string" || !issue.startsWith("iss_")) return null;
  return { issue, kind: KINDS.find((kind) => kind === event.key) ?? "issue" };
}

/** Whether a list's address leaves any out by more than their status. */
export function isNarrowed(given: URLSearchParams): boolean {
  return ["text", "kind", "version", "session", "device", "user"].some((name) => given.get(name));
}

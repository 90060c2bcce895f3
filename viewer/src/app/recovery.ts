/** Reads that got no answer are asked for again once the service answers, so that a page left open comes back. */
import type { Query, QueryClient } from "@tanstack/react-query";
import { asApiError } from "../api/client";

const LOOK_MS = 5000; // between two looks whether it answers again

/** Looks every few seconds while something on screen waits for it, and at once when the network or the tab is back. */
export function keepTrying(client: QueryClient): void {
  const look = () => void tryAgain(client);
  setInterval(() => document.visibilityState === "visible" && look(), LOOK_MS);
  document.addEventListener("visibilitychange", look);
  addEventListener("online", look);
}

/** One request tells whether the service answers; only then is what failed asked for again, the same pages of a list. */
export async function tryAgain(client: QueryClient): Promise<void> {
  if (!unanswered(client).length || !(await answers())) return;
  for (const query of unanswered(client))
    query.fetch(undefined, query.state.fetchMeta ? { meta: query.state.fetchMeta } : {}).catch(() => undefined); // shown where it is
}

function unanswered(client: QueryClient): Query[] {
  const waits = ({ state }: Query) =>
    state.status === "error" && state.fetchStatus === "idle" && asApiError(state.error).status === 0;
  return client.getQueryCache().findAll({ type: "active", predicate: waits });
}

async function answers(): Promise<boolean> {
  try {
    return (await fetch("/health/live", { cache: "no-store" })).status < 500; // beyond: a proxy that finds nobody
  } catch {
    return false;
  }
}

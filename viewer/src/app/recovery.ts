/** What got no answer is asked for again once the service answers, so that a page left open comes back. */
import type { Query, QueryClient } from "@tanstack/react-query";
import { asApiError } from "../api/client";
import { reloadedFor } from "../ui/lazily";

const LOOK_MS = 5000; // between two looks whether it answers again

/** Looks every few seconds while something on screen waits for it, and at once when the network or the tab is back. */
export function keepTrying(client: QueryClient): void {
  keepLooking(() => void tryAgain(client));
}

/**
 * Calls `reload` once, when the service answers: for a page of which a part could not be loaded. Where that was done before
 * and the part is missing still, it is the part and not the service: then only after the service has been away again, so
 * that pages do not load in a loop. Returns its end.
 */
export function reloadOnceBack(reload: () => void): () => void {
  let mayReload = !reloadedFor.part;
  let isOver = false;
  const look = async () => {
    const isBack = await answers();
    if (isOver) return;
    if (!isBack) mayReload = true;
    else if (mayReload) {
      end();
      reloadedFor.part = true;
      reload();
    }
  };
  const stop = keepLooking(() => void look());
  const end = () => {
    isOver = true;
    stop();
  };
  return end;
}

function keepLooking(look: () => void): () => void {
  const lookIfSeen = () => {
    if (document.visibilityState === "visible") look();
  };
  const timer = setInterval(lookIfSeen, LOOK_MS);
  document.addEventListener("visibilitychange", lookIfSeen);
  addEventListener("online", lookIfSeen);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", lookIfSeen);
    removeEventListener("online", lookIfSeen);
  };
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

/** Whether the service does, within the time between two looks. */
export async function answers(): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(LOOK_MS);
    return (await fetch("/health/live", { cache: "no-store", signal })).status < 500; // beyond: a proxy that finds nobody
  } catch {
    return false;
  }
}

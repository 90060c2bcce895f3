import { useEffect, useRef, useState } from "react";
import { ApiError, address, failure } from "../api/client";
import type { LogEvent } from "../api/types";
import { Follower } from "./follower";
import type { ToPage } from "./messages";
import type { TailCounts } from "./window";

export type TailState = "connecting" | "live" | "reconnecting" | "ended";

export interface Tail extends TailCounts {
  /** While it goes on the newest, as many as one looks at; all that are kept while it stands still. */
  events: readonly LogEvent[];
  state: TailState;
  error: ApiError | null;
  /** Events a second, over the last seconds. */
  rate: number;
  clear: () => void;
}

const EMPTY = { events: [] as readonly LogEvent[], waiting: 0, dropped: 0, arrived: 0 };

/** Events as they are stored. `paused`: what comes waits. */
export function useTail(query: string, paused: boolean): Tail {
  const [view, setView] = useState(EMPTY);
  const [state, setState] = useState<TailState>("connecting");
  const [error, setError] = useState<ApiError | null>(null);
  const rate = useRate(view.arrived);
  const follower = useRef<Follower | null>(null);

  useEffect(() => {
    setView(EMPTY);
    setState("connecting");
    setError(null);
    let isOver = false;
    const url = address("/api/v1/tail", { query });
    const end = (reason: ApiError | null) => {
      setState("ended");
      if (!isOver) setError(reason);
    };
    const onTold = (message: ToPage) => {
      if (message.kind === "state") setState(message.state);
      else if (message.kind === "ended")
        end(new ApiError(message.code === "unauthorized" ? 401 : 400, message.code, message.message));
      else if (message.kind === "refused") void reasonOf(url).then(end);
    };
    const made = new Follower(url, setView, onTold);
    follower.current = made;
    return () => {
      isOver = true;
      follower.current = null;
      made.close();
    };
  }, [query]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another query has another follower
  useEffect(() => follower.current?.hold(paused), [paused, query]);

  return { ...view, state, error, rate, clear: () => follower.current?.clear() };
}

/** Why it was refused: the browser keeps that from the page, so it is asked for again. */
async function reasonOf(url: string): Promise<ApiError | null> {
  const abort = new AbortController();
  try {
    const answer = await fetch(url, { signal: abort.signal });
    if (!answer.ok) return await failure(answer);
  } catch {
    return new ApiError(0, "unreachable", "the service does not answer");
  } finally {
    abort.abort();
  }
  return null;
}

const RATE_MS = 2000;

function useRate(arrived: number): number {
  const [rate, setRate] = useState(0);
  const latest = useRef(arrived);
  latest.current = arrived;
  useEffect(() => {
    let before = { arrived: latest.current, at: performance.now() };
    const measured = setInterval(() => {
      const now = { arrived: latest.current, at: performance.now() };
      setRate(Math.max(0, ((now.arrived - before.arrived) * 1000) / (now.at - before.at)));
      before = now;
    }, RATE_MS);
    return () => clearInterval(measured);
  }, []);
  return rate;
}

import { useEffect, useMemo, useState } from "react";
import { ApiError, address, failure } from "../api/client";
import type { LogEvent } from "../api/types";
import { type TailView, TailWindow } from "./window";

const SHOW_MS = 150; // between two looks at what came: rows that change faster cannot be read
const EMPTY: TailView = { events: [], waiting: 0, dropped: 0, arrived: 0 };

export type TailState = "connecting" | "live" | "reconnecting" | "ended";

export interface Tail extends TailView {
  state: TailState;
  error: ApiError | null;
  /** Events a second, over the last seconds. */
  rate: number;
  clear: () => void;
}

/** Events as they are stored. `paused`: what comes waits. */
export function useTail(query: string, paused: boolean): Tail {
  const [view, setView] = useState(EMPTY);
  const [state, setState] = useState<TailState>("connecting");
  const [error, setError] = useState<ApiError | null>(null);
  const [rate, setRate] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another query begins with an empty window
  const window = useMemo(() => new TailWindow(), [query]);

  useEffect(() => {
    window.pause(paused);
    setView(window.view());
  }, [window, paused]);

  useEffect(() => {
    setState("connecting");
    setError(null);
    const close = listen(query, window, setState, setError);
    const show = setInterval(() => setView(window.view()), SHOW_MS);
    const measured = measureRate(window, setRate);
    return () => {
      close();
      clearInterval(show);
      clearInterval(measured);
    };
  }, [query, window]);

  return {
    ...view,
    state,
    error,
    rate,
    clear: () => {
      window.clear();
      setView(window.view());
    },
  };
}

function listen(
  query: string,
  window: TailWindow,
  setState: (state: TailState) => void,
  setError: (error: ApiError) => void,
): () => void {
  const url = address("/api/v1/tail", { query });
  const source = new EventSource(url);
  source.onopen = () => setState("live");
  source.onmessage = ({ data }: MessageEvent<string>) => window.push(JSON.parse(data) as LogEvent);
  source.addEventListener("dropped", ({ data }: MessageEvent<string>) => {
    window.drop((JSON.parse(data) as { count: number | null }).count ?? 1);
  });
  source.addEventListener("error", (event) => {
    if (event instanceof MessageEvent) {
      const { code, message } = JSON.parse(event.data as string) as { code: string; message: string };
      setError(new ApiError(code === "unauthorized" ? 401 : 400, code, message));
      setState("ended");
      source.close();
    } else if (source.readyState === EventSource.CLOSED) {
      setState("ended");
      void reasonOf(url).then((reason) => reason && setError(reason));
    } else setState("reconnecting");
  });
  return () => source.close();
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

function measureRate(window: TailWindow, setRate: (rate: number) => void) {
  let before = window.view().arrived;
  return setInterval(() => {
    const { arrived } = window.view();
    setRate(((arrived - before) * 1000) / RATE_MS);
    before = arrived;
  }, RATE_MS);
}

import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { type ApiError, address, asApiError, ask } from "../api/client";
import type { LogEvent, SearchAnswer } from "../api/types";
import { readJson } from "../text/json";
import { Shown } from "../text/Shown";
import { cut, valueText } from "../text/values";
import { Problem } from "./parts";
import type { KeysAnswer } from "./types";

const SHOWN_CHARS = 120;
const WAIT_MS = 30 * 60_000; // then whoever wants to go on says so
const RETRY_MS = 5000; // after a tail that ended, and from one look at the key to the next

interface Props {
  app: string;
  /** Of the event that is pasted. */
  session: string;
  /** The key's id. */
  keyId: string;
}

/** Waits for the first event of an app; where it has events already, of one session, or of any that the key sends. */
export function FirstEvent({ app, session, keyId }: Props) {
  const [round, setRound] = useState(0);
  const { event, error, isOver } = useFirst(app, session, round);
  const isUsed = useIsUsed(app, keyId);
  if (event)
    return (
      <p className="first is-there" role="status">
        <b>The first event has arrived:</b> <Shown text={cut(valueText(event.value), SHOWN_CHARS)} />{" "}
        <a href={`/app/event?id=${encodeURIComponent(event.id)}&app=${encodeURIComponent(app)}`}>look at it</a>
      </p>
    );
  if (isUsed)
    return (
      <p className="first is-there" role="status">
        <b>The key is in use:</b> what it sends is among{" "}
        <a href={`/app/?app=${encodeURIComponent(app)}`}>the events of {app}</a>
      </p>
    );
  return (
    <div className="first" role="status">
      {isOver ? (
        <>
          No event in half an hour.{" "}
          <button type="button" className="small" onClick={() => setRound(round + 1)}>
            Go on waiting
          </button>
        </>
      ) : (
        "Waiting for your first event… A new key counts within seconds."
      )}
      <Problem error={error} />
    </div>
  );
}

/** Whether the key has sent anything; receivers tell it within ten seconds. */
function useIsUsed(app: string, keyId: string): boolean {
  const used = (answer: KeysAnswer | undefined) => answer?.keys.some(({ key, used }) => key === keyId && used) ?? false;
  const { data } = useQuery({
    queryKey: ["whether a key is used", app, keyId],
    queryFn: ({ signal }) => ask<KeysAnswer>(`/api/v1/apps/${encodeURIComponent(app)}/keys`, {}, signal),
    refetchInterval: ({ state }) => !used(state.data) && RETRY_MS,
    staleTime: 0,
  });
  return used(data);
}

/** Live, by the tail; and by a search each time the tail begins, so that nothing is missed in between. */
function useFirst(app: string, session: string, round: number) {
  const [event, setEvent] = useState<LogEvent | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [isOver, setIsOver] = useState(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another round waits again
  useEffect(() => {
    const abort = new AbortController();
    let query: string | null = null; // chosen once: its first event may come while the tail is away
    let stop = () => {};
    let again: ReturnType<typeof setTimeout> | undefined;
    const end = () => {
      abort.abort();
      clearTimeout(again);
      clearTimeout(limit);
      stop();
    };
    const found = (first: LogEvent) => {
      end();
      setError(null);
      setEvent(first);
    };
    const begin = async () => {
      try {
        query ??= (await latest(app, "", abort.signal)) ? `session=${JSON.stringify(session)}` : "";
        if (!abort.signal.aborted) stop = listen(app, query, { found, ended: later, signal: abort.signal });
      } catch (failed) {
        if (!abort.signal.aborted) later(asApiError(failed));
      }
    };
    const later = (why: ApiError | null) => {
      setError(why);
      if (!why || why.isPassing) again = setTimeout(begin, RETRY_MS);
    };
    const limit = setTimeout(() => {
      end();
      setIsOver(true);
    }, WAIT_MS);
    setIsOver(false);
    void begin();
    return end;
  }, [app, session, round]);
  return { event, error, isOver };
}

async function latest(app: string, query: string, signal: AbortSignal): Promise<LogEvent | undefined> {
  return (await ask<SearchAnswer>("/api/v1/search", { app, query, limit: 1 }, signal)).events[0];
}

interface Listening {
  found: (event: LogEvent) => void;
  ended: (why: ApiError | null) => void;
  signal: AbortSignal;
}

function listen(app: string, query: string, { found, ended, signal }: Listening): () => void {
  const source = new EventSource(address("/api/v1/tail", { app, query }));
  source.onopen = () => {
    latest(app, query, signal).then(
      (event) => event && !signal.aborted && found(event),
      () => {}, // the tail goes on
    );
  };
  source.onmessage = ({ data }: MessageEvent<string>) => found(readJson(data) as LogEvent);
  source.onerror = () => {
    if (source.readyState !== EventSource.CLOSED) return;
    ended(null);
  };
  return () => source.close();
}

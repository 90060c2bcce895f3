/**
 * Follows a live tail beside the page: thousands of events a second are read and counted here, and the page is given
 * those that it shows.
 */
import { joined, type ToPage, type ToWorker } from "./messages";
import { TailWindow } from "./window";

const PIECE_EVENTS = 250; // a page reads as many in some milliseconds
const kept = new TailWindow();

function tell(message: ToPage): void {
  self.postMessage(message);
}

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.do === "follow") follow(data.url);
  else if (data.do === "clear") kept.clear();
  else if (data.do === "look") {
    const { fresh, ...counts } = kept.look(data.rows);
    tell({ kind: "view", fresh: joined(fresh), ...counts });
  } else {
    kept.pause(data.held);
    if (data.held) tellAll(kept.all());
  }
};

function tellAll(events: readonly string[]): void {
  for (let at = 0; at < events.length; at += PIECE_EVENTS) {
    const piece = joined(events.slice(at, at + PIECE_EVENTS));
    tell({ kind: "all", events: piece, isFirst: at === 0, isLast: at + PIECE_EVENTS >= events.length });
  }
}

function follow(url: string): void {
  const source = new EventSource(url);
  source.onopen = () => tell({ kind: "state", state: "live" });
  source.onmessage = ({ data }: MessageEvent<string>) => kept.push(data);
  source.addEventListener("dropped", ({ data }: MessageEvent<string>) => {
    kept.drop((JSON.parse(data) as { count: number | null }).count ?? 1);
  });
  source.addEventListener("error", (event) => {
    if (event instanceof MessageEvent) {
      source.close();
      tell({ kind: "ended", ...(JSON.parse(event.data as string) as { code: string; message: string }) });
    } else if (source.readyState === EventSource.CLOSED) tell({ kind: "refused" });
    else tell({ kind: "state", state: "reconnecting" });
  });
}

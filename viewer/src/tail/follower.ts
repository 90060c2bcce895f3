/** A live tail as the page sees it: asks its worker for what is new, as often as showing it leaves time for. */
import type { LogEvent } from "../api/types";
import { readJson } from "../text/json";
import type { ToPage, ToWorker } from "./messages";
import type { TailCounts } from "./window";

const LOOK_MS = 150; // between two looks at what came: rows that change faster cannot be read
const REST = 4; // times as long as showing took, the page is left alone
const ROWS = 200; // while it goes on: some screens full

export interface TailView extends TailCounts {
  events: readonly LogEvent[];
}

export class Follower {
  private readonly worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module", name: "tail" });
  private view: TailView = { events: [], waiting: 0, dropped: 0, arrived: 0 };
  private whole: LogEvent[] = []; // of what is shown, as far as it came
  private held = false;
  private next: ReturnType<typeof setTimeout> | undefined;

  constructor(
    url: string,
    private readonly onView: (view: TailView) => void,
    private readonly onTold: (message: ToPage) => void,
  ) {
    this.worker.onmessage = ({ data }: MessageEvent<ToPage>) => this.told(data);
    this.say({ do: "follow", url });
    this.look();
  }

  hold(held: boolean): void {
    if (held === this.held) return;
    this.held = held;
    this.say({ do: "hold", held });
  }

  clear(): void {
    this.say({ do: "clear" });
    this.show({ ...this.view, events: [], waiting: 0 });
  }

  close(): void {
    clearTimeout(this.next);
    this.worker.onmessage = null;
    this.worker.terminate();
  }

  private told(message: ToPage): void {
    if (message.kind === "view") this.seen(message);
    else if (message.kind === "all") this.collect(message);
    else this.onTold(message);
  }

  private seen({ fresh: text, waiting, dropped, arrived }: ToPage & { kind: "view" }): void {
    const began = performance.now();
    const fresh = readJson(text) as LogEvent[];
    const before = this.view;
    const changed =
      fresh.length || waiting !== before.waiting || dropped !== before.dropped || arrived !== before.arrived;
    if (changed) {
      const events = fresh.length ? [...before.events, ...fresh].slice(-ROWS) : before.events;
      this.show({ events, waiting, dropped, arrived });
    }
    // After the frame that shows it; a page that nobody sees has none, and does not look.
    requestAnimationFrame(() => {
      this.next = setTimeout(() => {
        const rest = Math.max(LOOK_MS, REST * (performance.now() - began));
        this.next = setTimeout(() => this.look(), rest);
      });
    });
  }

  private collect({ events, isFirst, isLast }: ToPage & { kind: "all" }): void {
    if (!this.held) return;
    const piece = readJson(events) as LogEvent[];
    this.whole = isFirst ? piece : this.whole.concat(piece);
    if (!isLast) return;
    this.show({ ...this.view, events: this.whole });
    this.whole = [];
  }

  private show(view: TailView): void {
    this.view = view;
    this.onView(view);
  }

  private look(): void {
    this.say({ do: "look", rows: ROWS });
  }

  private say(message: ToWorker): void {
    this.worker.postMessage(message);
  }
}

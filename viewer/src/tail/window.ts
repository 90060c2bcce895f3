/** The newest events of a live tail, in bounded memory: what is shown, and what came while it stands still. */
import type { LogEvent } from "../api/types";

/** Events that are shown, and as many that wait while it stands still; some 10 MB with lines of 500 characters. */
export const WINDOW_EVENTS = 5000;

export interface TailView {
  events: readonly LogEvent[];
  /** Came since it stands still. */
  waiting: number;
  /** Left out by the service, which says why; and by this page, which had no room for what waited. */
  dropped: number;
  arrived: number;
}

export class TailWindow {
  private shown: LogEvent[] = [];
  private incoming: LogEvent[] = [];
  private waiting = 0;
  private dropped = 0;
  private arrived = 0;
  private paused = false;

  constructor(private readonly size = WINDOW_EVENTS) {}

  /** Kept until the next `view`; the oldest of what waits give way. */
  push(event: LogEvent): void {
    this.arrived += 1;
    this.incoming.push(event);
    if (this.incoming.length > 2 * this.size) this.cutIncoming();
  }

  drop(count: number): void {
    this.dropped += count;
  }

  pause(paused: boolean): void {
    this.paused = paused;
  }

  clear(): void {
    this.shown = [];
    this.incoming = [];
    this.waiting = 0;
  }

  /** What is to be seen now; the same list as before when nothing of it has changed. */
  view(): TailView {
    if (this.incoming.length > this.size) this.cutIncoming();
    this.waiting = this.paused ? this.incoming.length : 0;
    if (!this.paused && this.incoming.length) {
      const known = new Set(this.shown.map(({ id }) => id)); // after a reconnect some come twice
      const fresh = this.incoming.filter(({ id }) => !known.has(id));
      this.shown = [...this.shown, ...fresh].slice(-this.size);
      this.incoming = [];
    }
    return { events: this.shown, waiting: this.waiting, dropped: this.dropped, arrived: this.arrived };
  }

  private cutIncoming(): void {
    const surplus = this.incoming.length - this.size;
    this.incoming = this.incoming.slice(-this.size);
    if (this.paused) this.dropped += surplus;
  }
}

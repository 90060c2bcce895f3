/** The newest events of a live tail, in bounded memory: what is shown, and what came while it stands still. */

/** Events that are shown, and as many that wait while it stands still; some 10 MB with lines of 500 characters. */
export const WINDOW_EVENTS = 5000;

export interface TailCounts {
  /** Came since it stands still. */
  waiting: number;
  /** Left out by the service, which says why; and here, where was no room for what waited. */
  dropped: number;
  arrived: number;
}

interface Kept {
  id: string;
  text: string;
}

/** Events as the JSON they came in: hardly any of them is ever read. */
export class TailWindow {
  private shown: Kept[] = [];
  private incoming: Kept[] = [];
  private readonly ids = new Set<string>(); // of both
  private dropped = 0;
  private arrived = 0;
  private paused = false;

  constructor(private readonly size = WINDOW_EVENTS) {}

  /** Kept until the next `look`; the oldest of what waits give way. One that comes again stands there once. */
  push(text: string): void {
    const id = idOf(text);
    if (this.ids.has(id)) return;
    this.arrived += 1;
    this.ids.add(id);
    this.incoming.push({ id, text });
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
    this.ids.clear();
  }

  /** What is new to be seen since the last look, of it the newest `rows`: none while it stands still. */
  look(rows: number): TailCounts & { fresh: string[] } {
    if (this.incoming.length > this.size) this.cutIncoming();
    let fresh: string[] = [];
    if (!this.paused && this.incoming.length) {
      fresh = this.incoming.slice(-rows).map(({ text }) => text);
      this.shown.push(...this.incoming);
      this.forget(this.shown.splice(0, Math.max(0, this.shown.length - this.size)));
      this.incoming = [];
    }
    const waiting = this.paused ? this.incoming.length : 0;
    return { fresh, waiting, dropped: this.dropped, arrived: this.arrived };
  }

  /** All that is shown, oldest first. */
  all(): string[] {
    return this.shown.map(({ text }) => text);
  }

  private cutIncoming(): void {
    const surplus = this.incoming.splice(0, this.incoming.length - this.size);
    this.forget(surplus);
    if (this.paused) this.dropped += surplus.length;
  }

  private forget(events: readonly Kept[]): void {
    for (const { id } of events) this.ids.delete(id);
  }
}

const ID = /^\{"id":("(?:[^"\\]|\\.)*")/; // the service writes it first

function idOf(text: string): string {
  return ID.exec(text)?.[1] ?? text;
}

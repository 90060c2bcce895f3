/** What a page and the worker that follows a tail for it tell each other. Events travel as the text of a JSON array. */
import type { TailCounts } from "./window";

export type ToWorker =
  | { do: "follow"; url: string }
  /** What is new, of it the newest `rows`: one `view` is the answer. */
  | { do: "look"; rows: number }
  /** true: all that is shown comes as well, piece by piece. */
  | { do: "hold"; held: boolean }
  | { do: "clear" };

export type ToPage =
  | { kind: "state"; state: "live" | "reconnecting" }
  | { kind: "ended"; code: string; message: string }
  /** The browser keeps to itself why. */
  | { kind: "refused" }
  | ({ kind: "view"; fresh: string } & TailCounts)
  | { kind: "all"; events: string; isFirst: boolean; isLast: boolean };

export function joined(texts: readonly string[]): string {
  return `[${texts.join()}]`;
}

import { useLayoutEffect, useRef } from "react";
import type { Marks } from "../query/marks";
import { drawText, lineOf } from "./draw";
import { plain } from "./symbols";

/** Text from a log, as `drawText` shows it. */
export function Shown({ text, marks = null }: { text: string; marks?: Marks | null }) {
  const line = useRef<HTMLElement>(null);
  const Line = lineOf(text);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another element is drawn into anew
  useLayoutEffect(() => drawText(line.current!, text, marks), [text, marks, Line]);
  return <Line ref={line} className="shown" />;
}

/** A name on one line. */
export function Name({ text }: { text: string }) {
  return <bdi>{plain(text)}</bdi>;
}

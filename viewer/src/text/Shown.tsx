import { memo } from "react";
import type { Marks } from "../query/marks";
import { pieces } from "./pieces";
import { hasRtl, plain } from "./symbols";

/** Text from a log, harmless: React escapes it, controls are symbols, the direction of writing stays inside. */
export const Shown = memo(function Shown({ text, marks = null }: { text: string; marks?: Marks | null }) {
  const found = pieces(text, marks);
  const only = found[0];
  const Line = hasRtl(text) ? "bdi" : "span"; // to keep directions apart costs a fifth of the layout of rows
  if (found.length === 1 && only && !only.mark && !only.control && !only.look)
    return <Line className="shown">{only.text}</Line>;
  return (
    <Line className="shown">
      {found.map((piece, index) => {
        if (piece.mark)
          return (
            <mark key={index} className={piece.look}>
              {piece.text}
            </mark>
          );
        const look = piece.control ? "ctl" : piece.look;
        return look ? (
          <span key={index} className={look}>
            {piece.text}
          </span>
        ) : (
          piece.text
        );
      })}
    </Line>
  );
});

/** A name on one line. */
export function Name({ text }: { text: string }) {
  return <bdi>{plain(text)}</bdi>;
}

import { useState } from "react";
import type { Marks } from "../query/marks";
import { count } from "../text/numbers";
import { Shown } from "../text/Shown";
import { SHOWN_CHARS_MAX } from "../text/values";

/** Text with its lines; a megabyte of it only when asked for. */
export function LongText({ text, marks }: { text: string; marks: Marks | null }) {
  const [all, setAll] = useState(false);
  const isCut = text.length > SHOWN_CHARS_MAX && !all;
  return (
    <>
      <pre className="whole">
        <Shown text={isCut ? text.slice(0, SHOWN_CHARS_MAX) : text} marks={isCut || !all ? marks : null} />
      </pre>
      {isCut && (
        <p>
          <button type="button" className="small" onClick={() => setAll(true)}>
            Show all {count(text.length)} characters
          </button>
        </p>
      )}
    </>
  );
}

import { useMemo } from "react";
import { plain } from "../text/symbols";
import { cut } from "../text/values";
import { CopyButton } from "../ui/copy";
import { wordsOf, wordTerm } from "./words";

interface Props {
  text: string;
  /** The one that was clicked, or chosen here; "" for none yet. */
  word: string;
  onWord: (word: string) => void;
  onTerm: (added: string, opposite: string) => void;
  onAlone: ((term: string) => void) | undefined;
}

/** What can be done with a word of a message: a click on one chooses it, so does the list by keyboard. */
export function WordBar({ text, word, onWord, onTerm, onAlone }: Props) {
  const words = useMemo(() => wordsOf(text), [text]);
  const [only, none] = [wordTerm(word, text), wordTerm(word, text, false)];
  const said = plain(cut(word, 40));
  if (!words.length && !word) return null;
  return (
    <div className="word-bar" role="group" aria-label="A word of the message">
      <label>
        <span className="note">word</span>{" "}
        <select className="small" value={word} onChange={(event) => onWord(event.target.value)}>
          <option value="">click one, or choose…</option>
          {word && !words.includes(word) && <option value={word}>{said}</option>}
          {words.map((each) => (
            <option key={each} value={each}>
              {plain(cut(each, 40))}
            </option>
          ))}
        </select>
      </label>
      <button type="button" className="small" disabled={!word} onClick={() => onTerm(only, none)}>
        only with it
      </button>
      <button type="button" className="small" disabled={!word} onClick={() => onTerm(none, only)}>
        without it
      </button>
      {onAlone && (
        <button type="button" className="small" disabled={!word} onClick={() => onAlone(only)}>
          it alone
        </button>
      )}
      {word && <CopyButton text={() => word}>copy it</CopyButton>}
    </div>
  );
}

import { useState } from "react";
import { writeJson } from "../text/json";
import { Shown } from "../text/Shown";
import { plain } from "../text/symbols";
import { cut, SHOWN_CHARS_MAX } from "../text/values";
import { copyText } from "../ui/copy";

const OPEN_DEPTH = 4;
const MEMBERS_MAX = 200; // shown at once

interface Props {
  value: unknown;
  /** As it is written after the event: `value.items[0].price`. */
  path: string;
  name?: string;
  depth?: number;
}

/** A JSON value to fold and unfold. A click on a name copies its path, on a value the value; a branch has buttons. */
export function JsonTree({ value, path, name = "", depth = 0 }: Props) {
  if (value === null || typeof value !== "object") return <Leaf value={value} path={path} name={name} />;
  const members: [string, unknown][] = Array.isArray(value)
    ? value.map((each, index) => [String(index), each])
    : Object.entries(value);
  const summary = Array.isArray(value) ? `[${members.length}]` : `{${members.length}}`;
  return (
    <div className="branch">
      <details className="tree" open={depth < OPEN_DEPTH && members.length <= MEMBERS_MAX}>
        <summary>
          {name && <span className="tree-name">{plain(name)}</span>} <span className="note">{summary}</span>
        </summary>
        <Members members={members} path={path} inList={Array.isArray(value)} depth={depth} />
      </details>
      <span className="branch-actions">
        <Copy what="path" of={path} text={() => path} />
        <Copy what="JSON" of={path} text={() => writeJson(value, 2)} />
      </span>
    </div>
  );
}

/** Beside a summary, not in it: that is a button by itself. */
function Copy({ what, of, text }: { what: string; of: string; text: () => string }) {
  return (
    <button
      type="button"
      className="bare note"
      aria-label={`Copy the ${what} of ${plain(of)}`}
      onClick={() => copyText(text())}
    >
      copy {what}
    </button>
  );
}

interface MembersProps {
  members: [string, unknown][];
  path: string;
  inList: boolean;
  depth: number;
}

function Members({ members, path, inList, depth }: MembersProps) {
  const [shown, setShown] = useState(MEMBERS_MAX);
  return (
    <ul>
      {members.slice(0, shown).map(([key, each]) => (
        <li key={key}>
          <JsonTree value={each} path={inList ? `${path}[${key}]` : `${path}.${key}`} name={key} depth={depth + 1} />
        </li>
      ))}
      {members.length > shown && (
        <li>
          <button type="button" className="small" onClick={() => setShown(shown + 1000)}>
            {members.length - shown} more
          </button>
        </li>
      )}
    </ul>
  );
}

function Leaf({ value, path, name }: { value: unknown; path: string; name: string }) {
  const text = typeof value === "string" ? value : String(value);
  return (
    <span className="leaf">
      {name && (
        <button
          type="button"
          className="tree-name bare"
          title={`copy the path ${plain(path)}`}
          onClick={() => copyText(path)}
        >
          {plain(name)}
        </button>
      )}
      <button
        type="button"
        className={`bare tree-${kindOf(value)}`}
        title="copy this value"
        onClick={() => copyText(text)}
      >
        <Shown text={cut(text, SHOWN_CHARS_MAX)} />
      </button>
    </span>
  );
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  return typeof value === "bigint" ? "number" : typeof value;
}

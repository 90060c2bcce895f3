import type { ApiError } from "../api/client";
import { Problem } from "./parts";
import type { OwnPattern } from "./types";

const PATTERNS_MAX = 20; // as src/logkeep/masking/rules.py

interface Props {
  patterns: OwnPattern[];
  onChange: (patterns: OwnPattern[]) => void;
  problem: ApiError | null;
  mayChange: boolean;
}

/** Own regular expressions: what one finds becomes its name in brackets. */
export function Patterns({ patterns, onChange, problem, mayChange }: Props) {
  const change = (index: number, changed: Partial<OwnPattern>) =>
    onChange(patterns.map((each, place) => (place === index ? { ...each, ...changed } : each)));
  return (
    <div className="components">
      <p className="note">What the expression finds becomes [name]. a–z, 0–9, _ and - in a name.</p>
      {patterns.map((own, index) => (
        <p key={index} className="pattern">
          <input
            aria-label="Name of the pattern"
            placeholder="name"
            maxLength={32}
            value={own.name}
            onChange={(event) => change(index, { name: event.target.value })}
          />
          <input
            aria-label={`Expression of ${own.name || "the pattern"}`}
            className="mono"
            placeholder="DE[0-9]{20}"
            value={own.pattern}
            onChange={(event) => change(index, { pattern: event.target.value })}
          />
          {mayChange && (
            <button
              type="button"
              className="small"
              onClick={() => onChange(patterns.filter((_, place) => place !== index))}
            >
              Remove
            </button>
          )}
        </p>
      ))}
      <Problem error={problem} />
      {mayChange && patterns.length < PATTERNS_MAX && (
        <button type="button" className="small" onClick={() => onChange([...patterns, { name: "", pattern: "" }])}>
          Add a pattern
        </button>
      )}
    </div>
  );
}

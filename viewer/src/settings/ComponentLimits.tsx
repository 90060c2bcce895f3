import { useId } from "react";
import type { ComponentLimits } from "./types";
import { amount, typed } from "./use";

export interface ComponentDraft {
  name: string;
  perDay: string;
  bytesPerDay: string;
  perSecond: string;
}

export function readComponents(components: Record<string, ComponentLimits> | undefined): ComponentDraft[] {
  return Object.entries(components ?? {}).map(([name, limits]) => ({
    name,
    perDay: typed(limits.events_per_day),
    bytesPerDay: typed(limits.bytes_per_day),
    perSecond: typed(limits.events_per_second),
  }));
}

/** An empty row is none. */
export function writeComponents(drafts: readonly ComponentDraft[]): Record<string, ComponentLimits> {
  return Object.fromEntries(
    drafts
      .filter(({ name }) => name.trim())
      .map(({ name, perDay, bytesPerDay, perSecond }) => [
        name.trim(),
        {
          events_per_day: amount(perDay) ?? null,
          bytes_per_day: amount(bytesPerDay) ?? null,
          events_per_second: amount(perSecond) ?? null,
        },
      ]),
  );
}

export function isWrong({ perDay, bytesPerDay, perSecond }: ComponentDraft): boolean {
  return [perDay, bytesPerDay, perSecond].some((text) => amount(text) === undefined);
}

/** What is wrong with the name of each row, "" where nothing is. */
export function nameProblems(drafts: readonly ComponentDraft[]): string[] {
  const names = drafts.map(({ name }) => name.trim());
  return drafts.map(({ perDay, bytesPerDay, perSecond }, index) => {
    const name = names[index]!;
    if (!name) return perDay || bytesPerDay || perSecond ? "Say which component, or remove the row." : "";
    return names.indexOf(name) < names.lastIndexOf(name) ? `${name} has two rows: keep one of them.` : "";
  });
}

interface Props {
  drafts: ComponentDraft[];
  onChange: (drafts: ComponentDraft[]) => void;
  mayChange: boolean;
}

/** Components with limits of their own. */
export function ComponentLimitsTable({ drafts, onChange, mayChange }: Props) {
  const id = useId();
  const problems = nameProblems(drafts);
  const change = (index: number, changed: Partial<ComponentDraft>) =>
    onChange(drafts.map((draft, place) => (place === index ? { ...draft, ...changed } : draft)));
  return (
    <div className="components">
      {drafts.map((draft, index) => (
        <div key={index} className="component-limits">
          <input
            aria-label="Component"
            aria-invalid={Boolean(problems[index])}
            aria-describedby={`${id}-${index}`}
            placeholder="component"
            value={draft.name}
            onChange={(event) => change(index, { name: event.target.value })}
          />
          <input
            aria-label={`Events a day of ${draft.name || "it"}`}
            placeholder="events a day"
            inputMode="decimal"
            value={draft.perDay}
            aria-invalid={amount(draft.perDay) === undefined}
            onChange={(event) => change(index, { perDay: event.target.value })}
          />
          <input
            aria-label={`Bytes a day of ${draft.name || "it"}`}
            placeholder="bytes a day"
            inputMode="decimal"
            value={draft.bytesPerDay}
            aria-invalid={amount(draft.bytesPerDay) === undefined}
            onChange={(event) => change(index, { bytesPerDay: event.target.value })}
          />
          <input
            aria-label={`Events a second of ${draft.name || "it"}`}
            placeholder="events a second"
            inputMode="decimal"
            value={draft.perSecond}
            aria-invalid={amount(draft.perSecond) === undefined}
            onChange={(event) => change(index, { perSecond: event.target.value })}
          />
          {mayChange && (
            <button
              type="button"
              className="small"
              onClick={() => onChange(drafts.filter((_, place) => place !== index))}
            >
              Remove
            </button>
          )}
          <p id={`${id}-${index}`} className="problem">
            {problems[index]}
          </p>
        </div>
      ))}
      {mayChange && (
        <button
          type="button"
          className="small"
          onClick={() => onChange([...drafts, { name: "", perDay: "", bytesPerDay: "", perSecond: "" }])}
        >
          Add a component
        </button>
      )}
    </div>
  );
}

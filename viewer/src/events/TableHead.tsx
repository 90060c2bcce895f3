import type { Clock } from "../app/preferences";
import type { Column } from "../search/state";
import { Name } from "../text/Shown";
import { Icon } from "../ui/Icon";
import { type Placed, pinVariable } from "./columns";
import { Resizer } from "./Resizer";

interface Props {
  columns: readonly Placed[];
  onColumns?: (columns: readonly Column[]) => void;
  /** A column is being made wider: shown at once, kept when `kept`. */
  onWidth: (field: string, width: number | null, kept: boolean) => void;
  clock: Clock;
}

const ALWAYS = ["time", "level"];

/** Names of the columns, with what can be done to those that were chosen. */
export function TableHead({ columns, onColumns, onWidth, clock }: Props) {
  const chosen = columns.filter(({ field }) => !ALWAYS.includes(field)).map(({ field, pinned }) => ({ field, pinned }));
  const pin = (field: string) =>
    onColumns?.(chosen.map((each) => (each.field === field ? { field, pinned: !each.pinned } : each)));
  const remove = (field: string) => onColumns?.(chosen.filter((each) => each.field !== field));
  return (
    <div className="rows-head" role="rowgroup">
      <div className="row head" role="row">
        {columns.map(({ field, pinned, width }, index) => (
          <div
            key={field}
            role="columnheader"
            className={`cell${pinned ? " pinned" : ""}`}
            style={pinned ? { left: pinVariable(index) } : undefined}
          >
            <Name text={field === "time" && clock === "server" ? "received" : field.replace(/^attributes\./, "")} />
            {onColumns && !ALWAYS.includes(field) && (
              <span className="head-actions">
                <button
                  type="button"
                  className="bare"
                  aria-pressed={pinned}
                  aria-label={`Keep ${field} in sight`}
                  title="keep in sight"
                  onClick={() => pin(field)}
                >
                  <Icon name="pin" />
                </button>
                <button
                  type="button"
                  className="bare"
                  aria-label={`Without the column ${field}`}
                  title="hide"
                  onClick={() => remove(field)}
                >
                  <Icon name="close" />
                </button>
              </span>
            )}
            <Resizer field={field} width={width} onWidth={onWidth} />
          </div>
        ))}
        <div role="columnheader" className="cell">
          value
        </div>
      </div>
    </div>
  );
}

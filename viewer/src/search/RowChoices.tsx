import { useShortcuts } from "../app/keys";
import { useColumns } from "../events/narrow";
import { Icon } from "../ui/Icon";
import { Menu, MenuItem } from "../ui/Menu";
import type { RowState } from "./state";

interface Props {
  state: RowState;
  change: (changed: Partial<RowState>, options: { replace: boolean }) => void;
}

/** How rows look: whole or one line each, and with which columns. */
export function RowChoices({ state, change }: Props) {
  const wrap = () => change({ wrap: !state.wrap }, { replace: true });
  useShortcuts("Rows", [{ keys: "w", does: "wrap lines, or not", run: wrap }]);
  return (
    <>
      <button type="button" className="small" aria-pressed={state.wrap} onClick={wrap}>
        wrap
      </button>
      <Columns state={state} change={change} />
    </>
  );
}

const OFFERED = ["component", "key", "session", "user", "device", "id", "received"];

function Columns({ state, change }: Props) {
  const columns = useColumns(state.columns);
  const has = (field: string) => columns.some((column) => column.field === field);
  const toggle = (field: string) =>
    change(
      {
        columns: has(field)
          ? columns.filter((column) => column.field !== field)
          : [...columns, { field, pinned: false }],
      },
      { replace: true },
    );
  const own = columns.map(({ field }) => field).filter((field) => !OFFERED.includes(field));
  return (
    <Menu label="Columns" className="small" trigger="columns">
      {[...OFFERED, ...own].map((field) => (
        <MenuItem key={field} stay onSelect={() => toggle(field)}>
          <span className="menu-tick">{has(field) && <Icon name="pin" />}</span>
          {field.replace(/^attributes\./, "")}
        </MenuItem>
      ))}
      <p className="menu-label">Attributes: open an event, then “column”.</p>
    </Menu>
  );
}

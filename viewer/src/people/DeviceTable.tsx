import { Link } from "wouter";
import { usePreferences } from "../app/preferences";
import { namedHref } from "../events/links";
import { MarksOf } from "../issues/Marks";
import type { Mark } from "../issues/useIssueMarks";
import { term } from "../query/edit";
import { searchHref } from "../search/state";
import { count } from "../text/numbers";
import { Name } from "../text/Shown";
import { plain } from "../text/symbols";
import { cut } from "../text/values";
import { ago, dateTime } from "../time/format";
import { KeyBadges } from "./Keys";
import { NameLink } from "./NameLink";
import { words } from "./remote";
import type { Row as Device } from "./useActivity";

/** Rows of devices: what they are, whose, what they did, what they are told. */
export function DeviceTable({ devices, marks }: { devices: readonly Device[]; marks: ReadonlyMap<string, Mark> }) {
  const { zone } = usePreferences();
  const now = Date.now();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <div className="scrolling" tabIndex={0} role="region" aria-label="devices">
      <table className="data devices">
        <thead>
          <tr>
            <th scope="col">device</th>
            <th scope="col">model</th>
            <th scope="col">system</th>
            <th scope="col">app</th>
            <th scope="col">user</th>
            <th scope="col">keys</th>
            <th scope="col">last seen</th>
            <th scope="col" className="number">
              events
            </th>
            <th scope="col" className="number">
              errors
            </th>
            <th scope="col" className="number">
              sessions
            </th>
            <th scope="col">is told</th>
          </tr>
        </thead>
        <tbody>
          {devices.map((row) => (
            <Row key={row.device} row={row} mark={marks.get(row.device ?? "")} now={now} zone={zone} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface RowProps {
  row: Device;
  mark: Mark | undefined;
  now: number;
  zone: "utc" | "local";
}

function Row({ row, mark, now, zone }: RowProps) {
  const name = row.device ?? "";
  const { registered } = row;
  const called = registered?.label || registered?.name;
  const seen = row.last ?? registered?.last;
  const user = row.user || registered?.user;
  return (
    <tr>
      <td className="name">
        <Link className="called" href={namedHref("device", name)} title={plain(called ? `${called} ${name}` : name)}>
          {called && (
            <>
              <b className="cut">
                <Name text={called} />
              </b>{" "}
            </>
          )}
          <span className="cut">
            <Name text={name} />
          </span>
        </Link>
        <MarksOf mark={mark} />
      </td>
      <td className="brief">
        <Name text={cut(registered?.model ?? "", 32)} />
      </td>
      <td className="brief">
        <Name text={cut([registered?.os, registered?.os_version].filter(Boolean).join(" "), 32)} />
      </td>
      <td className="brief">
        <Name text={cut(registered?.app_version ?? "", 32)} />
      </td>
      <td className="name">{user && <NameLink href={namedHref("user", user)} name={user} />}</td>
      <td>
        <KeyBadges keys={registered?.keys ?? {}} />
      </td>
      <td className="when" title={seen ? dateTime(seen, zone) : ""}>
        {seen ? ago(seen, now) : "–"}
      </td>
      <td className="number">{count(row.events)}</td>
      <td className="number">
        {row.errors ? (
          <Link
            className="lv lv-error"
            href={searchHref({ query: `${term("device", name, true)} level>=error`, from: "" })}
          >
            {count(row.errors)}
          </Link>
        ) : (
          <span className="note">0</span>
        )}
      </td>
      <td className="number">{count(row.sessions)}</td>
      <td className="told-now">{row.remote ? words(row.remote) : ""}</td>
    </tr>
  );
}

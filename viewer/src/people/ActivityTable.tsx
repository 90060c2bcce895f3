import { Link } from "wouter";
import { usePreferences } from "../app/preferences";
import { namedHref, sessionHref } from "../events/links";
import { MarksOf } from "../issues/Marks";
import type { Mark } from "../issues/useIssueMarks";
import { quoted } from "../query/edit";
import { searchHref } from "../search/state";
import { count } from "../text/numbers";
import { plain } from "../text/symbols";
import { ago, dateTime, span } from "../time/format";
import { colourOf } from "../ui/levels";
import { NameLink } from "./NameLink";
import type { Row, Singular } from "./useActivity";

const COMPONENTS = 4;

interface Props {
  of: Singular;
  rows: readonly Row[];
  /** Who of them was met by issues. */
  marks?: ReadonlyMap<string, Mark>;
}

/** Rows of sessions, devices or users, latest activity first. */
export function ActivityTable({ of, rows, marks }: Props) {
  const { zone } = usePreferences();
  const now = Date.now();
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <div className="scrolling" tabIndex={0} role="region" aria-label={`${of}s`}>
      <table className="data activity">
        <thead>
          <tr>
            <th scope="col">{of}</th>
            <th scope="col">last seen</th>
            <th scope="col" className="number">
              events
            </th>
            <th scope="col" className="number">
              errors
            </th>
            {of !== "session" && (
              <th scope="col" className="number">
                sessions
              </th>
            )}
            <th scope="col">lasted</th>
            {of !== "user" && <th scope="col">user</th>}
            {of !== "device" && <th scope="col">device</th>}
            <th scope="col">components</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => {
            const name = row[of] ?? "";
            return (
              <tr key={name}>
                <td className="name">
                  <NameLink href={of === "session" ? sessionHref(name) : namedHref(of, name)} name={name} />
                  <MarksOf mark={marks?.get(name)} />
                </td>
                <td title={row.last ? dateTime(row.last, zone) : ""} className="when">
                  {row.last ? ago(row.last, now) : "–"}
                </td>
                <td className="number">{count(row.events)}</td>
                <td className="number">
                  {row.errors ? (
                    <Link
                      className="lv lv-error"
                      href={searchHref({ query: `${of}=${quoted(name)} level>=error`, from: "" })}
                    >
                      {count(row.errors)}
                    </Link>
                  ) : (
                    <span className="note">0</span>
                  )}
                </td>
                {of !== "session" && <td className="number">{count(row.sessions)}</td>}
                <td className="when">
                  {row.last && row.first ? span(Date.parse(row.last) - Date.parse(row.first)) : "–"}
                </td>
                {of !== "user" && <Named of="user" name={row.user} />}
                {of !== "device" && <Named of="device" name={row.device} />}
                <td>
                  <Components names={row.components} />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Named({ of, name }: { of: "user" | "device"; name: string | null }) {
  return <td className="name">{name && <NameLink href={namedHref(of, name)} name={name} />}</td>;
}

function Components({ names }: { names: readonly string[] }) {
  return (
    <span className="badges">
      {names.slice(0, COMPONENTS).map((name) => (
        <bdi key={name} className={`badge cut c${colourOf(name)}`} title={plain(name)}>
          {plain(name)}
        </bdi>
      ))}
      {names.length > COMPONENTS && <span className="note">+{names.length - COMPONENTS}</span>}
    </span>
  );
}

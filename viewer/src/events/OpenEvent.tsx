import { type ReactNode, useEffect, useState } from "react";
import { Link } from "wouter";
import type { LogEvent } from "../api/types";
import { usePreferences } from "../app/preferences";
import { issueHref, issueOf } from "../issues/links";
import { attributeField, term } from "../query/edit";
import type { Marks } from "../query/marks";
import { searchHref } from "../search/state";
import { writeJson } from "../text/json";
import { Name } from "../text/Shown";
import { cut, valueText } from "../text/values";
import { dateTime, type Zone } from "../time/format";
import { CopyButton } from "../ui/copy";
import { Icon } from "../ui/Icon";
import { Level } from "../ui/Level";
import { JsonTree } from "./JsonTree";
import { LongText } from "./LongText";
import { curlOf, eventHref, eventUrl, namedHref, sessionHref } from "./links";
import { pointedWord, selectedPhrase } from "./pointed";
import { skewOf } from "./skew";
import { WordBar } from "./WordBar";

interface Props {
  event: LogEvent;
  marks?: Marks | null;
  /** Adds a term to the query; absent where there is no query. */
  onTerm?: (added: string, opposite: string) => void;
  /** Opens the neighbours; absent where they are shown already. */
  onContext?: (id: string) => void;
  onColumn?: (field: string) => void;
  /** Looks for a term and nothing else. */
  onAlone?: (term: string) => void;
  /** The word of its row that was clicked. */
  word?: string;
}

const FIELDS = ["component", "session", "user", "device", "key", "level", "id", "pattern"] as const;

/** An event with all that it has, and all that can be done with it. */
export function OpenEvent({ event, marks = null, onTerm, onContext, onColumn, onAlone, word = "" }: Props) {
  const { zone } = usePreferences();
  const [chosen, setChosen] = useState(word);
  useEffect(() => setChosen(word), [word]);
  return (
    <div className="open-event">
      <div className="open-actions">
        <CopyButton text={() => valueText(event.value)}>copy value</CopyButton>
        <CopyButton text={() => writeJson(event, 2)}>copy JSON</CopyButton>
        <CopyButton text={() => curlOf(event.id)}>copy as curl</CopyButton>
        <CopyButton text={() => likeIt(event)}>copy as query</CopyButton>
        <CopyButton text={() => eventUrl(event.id)}>copy link</CopyButton>
        {onContext && (
          <button type="button" className="small" onClick={() => onContext(event.id)}>
            context
          </button>
        )}
        <Link className="button small" href={eventHref(event.id)}>
          this event alone
        </Link>
        <Link className="button small" href={searchHref({ query: likeIt(event) }, onTerm ? location.search : "")}>
          others like it
        </Link>
      </div>
      {onTerm && (
        <WordBar text={valueText(event.value)} word={chosen} onWord={setChosen} onTerm={onTerm} onAlone={onAlone} />
      )}
      {/* biome-ignore lint/a11y/useKeyWithClickEvents: the same by keyboard is the list of words above */}
      <div
        role="group"
        aria-label="value"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        tabIndex={0}
        className={onTerm ? "open-value has-words" : "open-value"}
        onClick={(click) => {
          const found = onTerm ? selectedPhrase() || pointedWord(click) : "";
          if (found) setChosen(found);
        }}
      >
        {typeof event.value === "string" ? (
          <LongText text={event.value} marks={marks} />
        ) : (
          <JsonTree value={event.value} path="value" />
        )}
      </div>
      <Fields event={event} zone={zone} onTerm={onTerm} onColumn={onColumn} />
    </div>
  );
}

/** The query that finds what says the same: its pattern, else its component and key. */
function likeIt(event: LogEvent): string {
  const { pattern } = event as { pattern?: string };
  if (pattern) return term("pattern", pattern, true);
  const component = event.component ? `${term("component", event.component, true)} ` : "";
  return component + term("key", event.key, true);
}

interface FieldsProps {
  event: LogEvent;
  zone: Zone;
  onTerm: Props["onTerm"] | undefined;
  onColumn: Props["onColumn"] | undefined;
}

function Fields({ event, zone, onTerm, onColumn }: FieldsProps) {
  const skew = skewOf(event);
  return (
    <table className="fields">
      <tbody>
        <tr>
          <th scope="row">time</th>
          <td>
            {dateTime(event.time, zone)} <span className="note">{event.time}</span>
          </td>
        </tr>
        <tr>
          <th scope="row">received</th>
          <td>
            {dateTime(event.received, zone)} {skew && <span className="skew">{skew.text}</span>}
          </td>
        </tr>
        {FIELDS.map((field) => {
          const value = String((event as Record<string, unknown>)[field] ?? "");
          if (!value) return null;
          return (
            <Field key={field} field={field} name={field} value={value} onTerm={onTerm} onColumn={onColumn}>
              {shownField(field, value)}
            </Field>
          );
        })}
        {Object.entries(event.attributes ?? {}).map(([name, value]) => (
          <Field
            key={`attributes.${name}`}
            field={attributeField(name)}
            name={name}
            value={valueText(value)}
            onTerm={onTerm}
            onColumn={onColumn}
          >
            {name === "issue" && issueOf(event) ? (
              <Link href={issueHref(String(value))}>
                <Name text={String(value)} />
              </Link>
            ) : value !== null && typeof value === "object" ? (
              <JsonTree value={value} path={`attributes.${name}`} />
            ) : (
              <Name text={cut(valueText(value), 2000)} />
            )}
          </Field>
        ))}
      </tbody>
    </table>
  );
}

function shownField(field: string, value: string): ReactNode {
  if (field === "level") return <Level level={value} />;
  if (field === "session")
    return (
      <Link href={sessionHref(value)}>
        <Name text={value} />
      </Link>
    );
  if (field === "user" || field === "device")
    return (
      <Link href={namedHref(field, value)}>
        <Name text={value} />
      </Link>
    );
  return <Name text={value} />;
}

interface FieldProps {
  field: string;
  name: string;
  value: string;
  children: ReactNode;
  onTerm: Props["onTerm"] | undefined;
  onColumn: Props["onColumn"] | undefined;
}

const TERM_CHARS_MAX = 200;

function Field({ field, name, value, children, onTerm, onColumn }: FieldProps) {
  const only = term(field, value, true);
  const none = term(field, value, false);
  const label = cut(`${name} ${value}`, 80);
  return (
    <tr>
      <th scope="row">
        <Name text={name} />
      </th>
      <td>
        {children}
        <span className="field-actions">
          {onTerm && value.length <= TERM_CHARS_MAX && (
            <>
              <button
                type="button"
                className="bare"
                aria-label={`Only with ${label}`}
                title="only with this"
                onClick={() => onTerm(only, none)}
              >
                <Icon name="plus" />
              </button>
              <button
                type="button"
                className="bare"
                aria-label={`Without ${label}`}
                title="without this"
                onClick={() => onTerm(none, only)}
              >
                <Icon name="minus" />
              </button>
            </>
          )}
          {onColumn && (
            <button
              type="button"
              className="bare note"
              aria-label={`Column for ${name}`}
              title="show or hide this column"
              onClick={() => onColumn(field)}
            >
              column
            </button>
          )}
          <CopyIcon text={value} label={label} />
        </span>
      </td>
    </tr>
  );
}

function CopyIcon({ text, label }: { text: string; label: string }) {
  return (
    <button
      type="button"
      className="bare"
      aria-label={`Copy ${label}`}
      title="copy"
      onClick={() => navigator.clipboard?.writeText(text)}
    >
      <Icon name="copy" />
    </button>
  );
}

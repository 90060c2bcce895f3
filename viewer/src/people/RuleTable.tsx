import { Link } from "wouter";
import { asApiError } from "../api/client";
import { useMayEdit } from "../api/may";
import type { RuleAnswer } from "../api/types";
import { usePreferences } from "../app/preferences";
import { namedHref } from "../events/links";
import { issueHref } from "../issues/links";
import { count } from "../text/numbers";
import { Name } from "../text/Shown";
import { ago, minute } from "../time/format";
import { Notice } from "../ui/Notice";
import { NameLink } from "./NameLink";
import { ending, whom, words } from "./remote";
import { useEndRule, useNow } from "./useRules";

/** Rules of remote control, each with whom it is for, when it ends, and a way to end it now. */
export function RuleTable({ rules, label }: { rules: readonly RuleAnswer[]; label: string }) {
  const mayEdit = useMayEdit();
  const { zone } = usePreferences();
  const now = useNow();
  const end = useEndRule();
  const error = end.error ? asApiError(end.error) : null;
  return (
    <>
      {error && (
        <Notice kind="error" title={error.message}>
          <p>{error.advice}</p>
        </Notice>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <div className="scrolling" tabIndex={0} role="region" aria-label={label}>
        <table className="data rules">
          <thead>
            <tr>
              <th scope="col">for</th>
              <th scope="col">is told</th>
              <th scope="col">ends</th>
              <th scope="col">made</th>
              <th scope="col">why</th>
              {mayEdit && (
                <th scope="col">
                  <span className="off-screen">end it</span>
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {rules.map((rule) => (
              <tr key={rule.rule}>
                <td className="name">
                  <Whom rule={rule} />
                </td>
                <td>{words(rule)}</td>
                <td className="when" title={minute(rule.until, zone)}>
                  <b>{ending(rule.until, now)}</b>, {minute(rule.until, zone).slice(5)}
                </td>
                <td className="when" title={minute(rule.made, zone)}>
                  {ago(rule.made, Math.max(now, Date.parse(rule.made)))}, <Name text={rule.by} />
                </td>
                <td>
                  <Why text={rule.why} />
                </td>
                {mayEdit && (
                  <td>
                    {rule.active && (
                      <button
                        type="button"
                        className="small"
                        disabled={end.isPending}
                        aria-label={`End now: ${words(rule)}, for ${whom(rule).of} ${whom(rule).name}`}
                        onClick={() => end.mutate(rule.rule)}
                      >
                        end now
                      </button>
                    )}
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Whom({ rule }: { rule: RuleAnswer }) {
  const { of, name } = whom(rule);
  if (of === "device" || of === "user")
    return (
      <>
        <span className="note">{of}</span> <NameLink href={namedHref(of, name)} name={name} />
      </>
    );
  return (
    <>
      <span className="note">{of}</span>{" "}
      {name && (
        <Link href={`/devices?where=${encodeURIComponent(name)}&from=all`}>
          <code>
            <Name text={name} />
          </code>
        </Link>
      )}
      {rule.matched > 0 && (
        <span className="note">
          {" "}
          {count(rule.matched)}
          {rule.more ? "+" : ""} when it was made
        </span>
      )}
    </>
  );
}

/** Rules that an issue has made name it first. */
function Why({ text }: { text: string }) {
  const [, issue, rest] = /^(iss_[0-9a-f]+): (.*)$/s.exec(text) ?? [];
  if (!issue) return <Name text={text} />;
  return (
    <Link href={issueHref(issue)}>
      <Name text={rest || issue} />
    </Link>
  );
}

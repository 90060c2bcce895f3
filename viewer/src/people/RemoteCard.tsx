import { Link } from "wouter";
import { useMayEdit } from "../api/may";
import { usePreferences } from "../app/preferences";
import { minute } from "../time/format";
import { RemoteForm } from "./RemoteForm";
import { RuleTable } from "./RuleTable";
import { ending, words } from "./remote";
import { useNow, useRules } from "./useRules";

/** The remote switch of one device or user: what holds now, until when, and what else it could be told. */
export function RemoteCard({ of, name }: { of: "device" | "user"; name: string }) {
  const { data } = useRules(of === "device" ? name : "");
  const mayEdit = useMayEdit();
  const { zone } = usePreferences();
  const now = useNow();
  const rules = data?.rules.filter((rule) => rule.active && (of === "device" || rule.user === name)) ?? [];
  const told = data?.configuration;
  const said = told ? words(told) : "";
  return (
    <section className="card" aria-label="Remote control">
      <h2>
        Remote control{" "}
        <span className="note">
          {of === "user"
            ? "for the devices that told this user last, and whoever says so now"
            : said && told?.until
              ? `it is told: ${said}, ends ${ending(told.until, now)} (${minute(told.until, zone)})`
              : "nothing is told to it: its own settings hold"}
          {" · "}
          <Link href="/remote">all rules</Link>
        </span>
      </h2>
      {rules.length > 0 && <RuleTable rules={rules} label="Rules that apply" />}
      {mayEdit && (
        <details className="remote-more">
          <summary>Tell {of === "device" ? "it" : "them"} to send more, or less</summary>
          <RemoteForm target={{ [of]: name }} whom={of === "device" ? "this device" : "these devices"} />
        </details>
      )}
    </section>
  );
}

import { Link } from "wouter";
import type { IssueAnswer } from "../api/types";
import { count } from "../text/numbers";
import { plain } from "../text/symbols";
import { KINDS, type Kind } from "./links";
import type { Mark } from "./useIssueMarks";

export function KindBadge({ kind }: { kind: Kind }) {
  return <span className={`kind kind-${kind}`}>{kind}</span>;
}

export function StatusBadge({ status }: { status: IssueAnswer["status"] }) {
  return <span className={`status status-${status}`}>{status}</span>;
}

/** How it is named where there is little room. */
export function issueTitle(issue: IssueAnswer): string {
  return plain(issue.title) || issue.fingerprint;
}

/** In a list: who was met by issues, with the way to them. */
export function MarksOf({ mark }: { mark: Mark | undefined }) {
  if (!mark) return null;
  const kinds = KINDS.filter((kind) => mark.kinds[kind]);
  return (
    <Link className="met-mark" href={mark.href} title="to what was told">
      {kinds.map((kind) => (
        <span key={kind} className={`kind kind-${kind}`}>
          {kind}
          {mark.kinds[kind]! > 1 && ` ×${count(mark.kinds[kind]!)}`}{" "}
        </span>
      ))}
    </Link>
  );
}

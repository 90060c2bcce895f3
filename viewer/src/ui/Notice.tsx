import type { ReactNode } from "react";
import { asApiError } from "../api/client";
import { SignInAgain } from "./SignInAgain";

interface Props {
  kind?: "info" | "warn" | "error";
  title: string;
  children?: ReactNode;
}

/** Something a person should know, with what to do about it. */
export function Notice({ kind = "info", title, children }: Props) {
  return (
    <section className={`notice notice-${kind}`} role={kind === "error" ? "alert" : "status"}>
      <p className="notice-title">{title}</p>
      {children}
    </section>
  );
}

/** A failed request: what the API said, and what can be done. */
export function Failure({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  const known = asApiError(error);
  return (
    <Notice kind="error" title={known.message}>
      {known.advice && <p>{known.advice}</p>}
      {known.status === 401 && (
        <p>
          <SignInAgain />
        </p>
      )}
      {onRetry && known.status !== 401 && (
        <p>
          <button type="button" onClick={onRetry}>
            Try again
          </button>
        </p>
      )}
    </Notice>
  );
}

/** The same in a line, where there is no room for more. */
export function Problem({ error }: { error: unknown }) {
  const known = asApiError(error);
  return (
    <p className="problem" role="alert">
      {known.message}
      {known.status === 401 && (
        <>
          . <SignInAgain />
        </>
      )}
    </p>
  );
}

/** Nothing is here, and why that may be. isPage: it is all there is of a page. */
export function Empty({ title, children, isPage }: { title: string; children?: ReactNode; isPage?: boolean }) {
  const Title = isPage ? "h1" : "p";
  return (
    <div className="empty" role="status">
      <Title className="empty-title">{title}</Title>
      {children}
    </div>
  );
}

import { Component, type ReactNode, useEffect, useState } from "react";
import { NotLoaded } from "../ui/lazily";
import { Notice } from "../ui/Notice";
import { answers, reloadOnceBack } from "./recovery";

/** What broke is said where it was, and the rest of the page goes on. `on`: another value tries again. */
export class ErrorBoundary extends Component<{ children: ReactNode; on?: string }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override componentDidUpdate(before: { on?: string }) {
    if (before.on !== this.props.on && this.state.error) this.setState({ error: null });
  }

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    if (error instanceof NotLoaded) return <Unloaded />;
    return (
      <Notice kind="error" title="This part of the viewer has failed">
        <p>{String(error.message).slice(0, 500)}</p>
        <p>
          <button type="button" onClick={() => this.setState({ error: null })}>
            Try again
          </button>{" "}
          or <a href={location.href}>reload the page</a>. If it happens again, the address of this page and the line
          above help whoever looks into it.
        </p>
      </Notice>
    );
  }
}

/**
 * The page is loaded again, which loses nothing: what it shows stands in its address. By itself or when asked, and not
 * before the service answers.
 */
function Unloaded() {
  const [failed, setFailed] = useState(0);
  useEffect(() => reloadOnceBack(() => location.reload()), []);
  const again = async () => ((await answers()) ? location.reload() : setFailed(failed + 1));
  return (
    <Notice kind="error" title="This part of the viewer could not be loaded">
      <p>
        The service did not answer, or the network was away for a moment. The page loads again by itself, once, when the
        service answers.
      </p>
      <p>
        <button type="button" onClick={() => void again()}>
          Try again
        </button>{" "}
        <span role="status">{failed > 0 && `It still does not answer (${failed}).`}</span>
      </p>
    </Notice>
  );
}

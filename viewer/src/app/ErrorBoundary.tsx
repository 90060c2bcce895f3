import { Component, type ReactNode } from "react";
import { Notice } from "../ui/Notice";

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

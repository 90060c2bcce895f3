import { type ReactNode, Suspense, useEffect, useId, useLayoutEffect, useRef, useState } from "react";
import { useShortcuts } from "../app/keys";
import type { Range } from "../time/range";
import { Icon } from "../ui/Icon";
import { whenIdle } from "../ui/idle";
import { lazily } from "../ui/lazily";
import type { EditorProps } from "./QueryEditor";

const QueryEditor = lazily<EditorProps>(() => whenIdle().then(() => import("./QueryEditor")), Stand);

interface Props {
  query: string;
  onSubmit: (query: string) => void;
  error?: { message: string; column: number | null } | null;
  hint?: string;
  button?: string;
  /** What is looked at, for the counts of completions. */
  range?: Range | null;
  children?: ReactNode;
}

/** Where a query is typed. Enter asks; a plain field stands in until the editor is there. */
export function QueryBar({
  query,
  onSubmit,
  error = null,
  button = "Search",
  range = null,
  children,
  hint = HINT,
}: Props) {
  const [text, setText] = useState(query);
  const id = useId();
  const wasTyping = useRef(false);
  useEffect(() => setText(query), [query]);
  useShortcuts("Query", [{ keys: "/", does: "type a query", run: focusEditor }]);
  const submit = () => onSubmit(text.trim());
  return (
    <div className="query-bar" role="search">
      {/* The buttons beside the query have forms of their own, which must not lie in this one. */}
      <form
        id={id}
        className={error ? "query-box invalid" : "query-box"}
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <Icon name="search" />
        <Suspense fallback={<Plain text={text} onChange={setText} hint={hint} wasTyping={wasTyping} />}>
          <QueryEditor
            value={text}
            onChange={setText}
            onSubmit={submit}
            errorColumn={error?.column ?? null}
            label="Query"
            hint={hint}
            range={range}
            wasTyping={wasTyping}
          />
        </Suspense>
        {text && (
          <button
            type="button"
            className="quiet icon-button"
            aria-label="Clear the query"
            onClick={() => {
              setText("");
              onSubmit("");
            }}
          >
            <Icon name="close" />
          </button>
        )}
      </form>
      {children}
      <button type="submit" form={id} className="primary">
        {button}
      </button>
      {error && (
        <p className="query-problem" role="alert">
          {error.column !== null && <span className="note">column {error.column}: </span>}
          {error.message}
        </p>
      )}
    </div>
  );
}

const HINT = 'timeout "card declined" level>=warn component:checkout';

interface PlainProps {
  text: string;
  onChange: (text: string) => void;
  hint: string;
  /** Becomes whether somebody was typing here when the editor came. */
  wasTyping: { current: boolean };
}

function Plain({ text, onChange, hint, wasTyping }: PlainProps) {
  const input = useRef<HTMLInputElement>(null);
  useLayoutEffect(() => {
    const element = input.current;
    return () => {
      wasTyping.current = element !== null && document.activeElement === element;
    };
  }, [wasTyping]);
  return (
    <input
      ref={input}
      className="editor-plain"
      aria-label="Query"
      placeholder={hint}
      value={text}
      spellCheck={false}
      autoComplete="off"
      onChange={(event) => onChange(event.target.value)}
    />
  );
}

/** Where the editor cannot be loaded. Enter asks, as it does in any form. */
function Stand({ value, onChange, hint, wasTyping }: EditorProps) {
  return <Plain text={value} onChange={onChange} hint={hint} wasTyping={wasTyping} />;
}

function focusEditor(): void {
  document.querySelector<HTMLElement>(".query-box .cm-content, .query-box input")?.focus();
}

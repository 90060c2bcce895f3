/** The query bar's editor: colours, completion from the API, and a line under what could not be read. */
import {
  acceptCompletion,
  autocompletion,
  type Completion,
  type CompletionContext,
  type CompletionResult,
  closeCompletion,
  completionStatus,
  moveCompletionSelection,
  selectedCompletion,
  startCompletion,
} from "@codemirror/autocomplete";
import {
  deleteCharBackward,
  deleteCharForward,
  deleteGroupBackward,
  deleteGroupForward,
  history,
  historyKeymap,
} from "@codemirror/commands";
import { Compartment, EditorState, type Extension, Prec, type Range, StateEffect, StateField } from "@codemirror/state";
import {
  Decoration,
  type DecorationSet,
  EditorView,
  keymap,
  placeholder,
  ViewPlugin,
  type ViewUpdate,
} from "@codemirror/view";
import { useEffect, useRef } from "react";
import { ask } from "../api/client";
import type { CompleteAnswer, CompletionItem } from "../api/types";
import { nonce } from "../nonce";
import { count } from "../text/numbers";
import type { Range as TimeRange } from "../time/range";
import { narrowed } from "./offers";
import { tokens } from "./tokens";

export interface EditorProps {
  value: string;
  onChange: (text: string) => void;
  onSubmit: () => void;
  /** 1-based; null: all is well. */
  errorColumn: number | null;
  label: string;
  hint: string;
  /** Where values are counted; null: of late. */
  range: TimeRange | null;
  /** Somebody was typing in what stood here before: the editor takes over. */
  wasTyping: { current: boolean };
}

const BEGINNING = "0"; // everything that is kept, where a range without a beginning would be of late

const marks = Object.fromEntries(
  ["field", "operator", "keyword", "string", "regex", "word", "paren", "pipe", "stage"].map((kind) => [
    kind,
    Decoration.mark({ class: `tok-${kind}` }),
  ]),
);

function coloured(text: string): DecorationSet {
  const found: Range<Decoration>[] = tokens(text).map((token) => marks[token.kind]!.range(token.from, token.to));
  return Decoration.set(found);
}

const colours = ViewPlugin.fromClass(
  class {
    decorations: DecorationSet;
    constructor(view: EditorView) {
      this.decorations = coloured(view.state.doc.toString());
    }
    update(update: ViewUpdate) {
      if (update.docChanged) this.decorations = coloured(update.state.doc.toString());
    }
  },
  { decorations: (plugin) => plugin.decorations },
);

const setError = StateEffect.define<number | null>();

const errorLine = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(before, transaction) {
    let now = transaction.docChanged ? Decoration.none : before;
    for (const effect of transaction.effects)
      if (effect.is(setError)) now = underlined(transaction.state.doc.toString(), effect.value);
    return now;
  },
  provide: (field) => EditorView.decorations.from(field),
});

/** From the column to the end of the part that stands there; at the end of the text, its last character. */
function underlined(text: string, column: number | null): DecorationSet {
  if (column === null || !text) return Decoration.none;
  const at = Math.min(utf16(text, column - 1), text.length - 1);
  const part = tokens(text).find((token) => token.from <= at && at < token.to);
  return Decoration.set([Decoration.mark({ class: "query-error" }).range(at, part?.to ?? at + 1)]);
}

/** The API counts characters, editors count halves of them: the place of the `characters`-th one. */
function utf16(text: string, characters: number): number {
  return Array.from(text).slice(0, characters).join("").length;
}

async function complete(context: CompletionContext, range: TimeRange | null): Promise<CompletionResult | null> {
  const text = context.state.doc.toString();
  const abort = new AbortController();
  context.addEventListener("abort", () => abort.abort());
  try {
    const position = Array.from(text.slice(0, context.pos)).length;
    const given = range ? { from: range.from || BEGINNING, to: range.to } : {};
    const found = await ask<CompleteAnswer>("/api/v1/complete", { query: text, position, ...given }, abort.signal);
    if (!found.items.length) return null;
    return offered(found.items, utf16(text, found.start), utf16(text, found.end));
  } catch {
    return null; // who types must not be disturbed; a search says what is wrong
  }
}

/** `items` for what stands from `from` to `to`; fewer of them as somebody types on, without another question. */
function offered(items: CompletionItem[], from: number, to: number): CompletionResult {
  return {
    from,
    to,
    options: items.map(option),
    filter: false,
    update(_, start, end, context) {
      const left = end === context.pos ? narrowed(items, context.state.sliceDoc(start, end)) : null;
      return left && offered(left, start, end);
    },
  };
}

function option(item: CompletionItem): Completion {
  const named = item.kind === "field" || item.kind === "attribute";
  return {
    label: item.text,
    detail: item.count == null ? item.kind : count(item.count),
    apply: (view, _, from, to) => {
      const next = view.state.sliceDoc(to, to + 1);
      const insert = named && !/[:=<>!]/.test(next || " ") ? `${item.text}:` : item.text;
      view.dispatch({ changes: { from, to, insert }, selection: { anchor: from + insert.length } });
      if (named) startCompletion(view);
    },
  };
}

function takeCompletion(view: EditorView): boolean {
  const status = completionStatus(view.state);
  if (status !== "active") return status === "pending" && view.dom.querySelector(".cm-tooltip-autocomplete") !== null;
  if (!selectedCompletion(view.state)) moveCompletionSelection(true)(view);
  acceptCompletion(view);
  return true; // with offers in sight, Tab never leaves the bar
}

const oneLine = EditorState.transactionFilter.of((transaction) =>
  transaction.newDoc.lines > 1
    ? [transaction, { changes: newlines(transaction.newDoc.toString()), sequential: true }]
    : transaction,
);

function newlines(text: string): { from: number; to: number; insert: string }[] {
  return [...text.matchAll(/\s*\n\s*/g)].map((match) => ({
    from: match.index,
    to: match.index + match[0].length,
    insert: " ",
  }));
}

/**
 * What is coloured is deleted and typed over here, not by the browser: it keeps the look of what was there for what is
 * typed next, by a `style` in the page, which the policy refuses and the browser then reports.
 */
const withoutLook = [
  keymap.of([
    { key: "Backspace", run: deleteCharBackward, shift: deleteCharBackward },
    { key: "Delete", run: deleteCharForward },
    { key: "Mod-Backspace", mac: "Alt-Backspace", run: deleteGroupBackward },
    { key: "Mod-Delete", mac: "Alt-Delete", run: deleteGroupForward },
  ]),
  EditorView.domEventHandlers({
    beforeinput(event, view) {
      const isOver = event.inputType === "insertText" && !view.state.selection.main.empty;
      if (!isOver || !event.data || !event.cancelable || view.composing) return false;
      view.dispatch(view.state.replaceSelection(event.data), { userEvent: "input.type", scrollIntoView: true });
      event.preventDefault();
      return true;
    },
  }),
];

function extensions(
  submit: () => void,
  changed: (text: string) => void,
  range: () => EditorProps["range"],
  attributes: Extension,
  hint: string,
) {
  return [
    EditorView.cspNonce.of(nonce),
    Prec.highest(
      keymap.of([
        { key: "Tab", run: takeCompletion },
        {
          key: "Enter",
          run: (view) => {
            if (selectedCompletion(view.state)) return acceptCompletion(view);
            closeCompletion(view);
            submit();
            return true;
          },
        },
      ]),
    ),
    Prec.low(
      keymap.of([
        {
          key: "Escape",
          run: (view) => {
            view.contentDOM.blur();
            return true;
          },
        },
      ]),
    ),
    withoutLook,
    keymap.of([...historyKeymap]),
    history(),
    oneLine,
    colours,
    errorLine,
    autocompletion({
      override: [(context) => complete(context, range())],
      icons: false,
      selectOnOpen: false,
      interactionDelay: 0,
      maxRenderedOptions: 30,
    }),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) changed(update.state.doc.toString());
    }),
    attributes,
    placeholder(hint),
  ];
}

export default function QueryEditor(props: EditorProps) {
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const attributes = useRef(new Compartment());

  useEffect(() => {
    const first = latest.current;
    const made = new EditorView({
      parent: place.current!,
      state: EditorState.create({
        doc: first.value,
        selection: { anchor: first.value.length },
        extensions: extensions(
          () => latest.current.onSubmit(),
          (text) => latest.current.onChange(text),
          () => latest.current.range,
          attributes.current.of(contentAttributes(first.label, false)),
          first.hint,
        ),
      }),
    });
    view.current = made;
    if (first.wasTyping.current) {
      made.dispatch({ selection: { anchor: made.state.doc.length } });
      made.focus();
      first.wasTyping.current = false;
    }
    return () => made.destroy();
  }, []);

  useEffect(() => {
    const editor = view.current;
    if (editor && editor.state.doc.toString() !== props.value)
      editor.dispatch({
        changes: { from: 0, to: editor.state.doc.length, insert: props.value },
        selection: { anchor: props.value.length },
      });
  }, [props.value]);

  useEffect(() => {
    const invalid = contentAttributes(props.label, props.errorColumn !== null);
    view.current?.dispatch({
      effects: [setError.of(props.errorColumn), attributes.current.reconfigure(invalid)],
    });
  }, [props.errorColumn, props.label]);

  return <div ref={place} className="editor" />;
}

function contentAttributes(label: string, invalid: boolean): Extension {
  return EditorView.contentAttributes.of({
    "aria-label": label,
    "aria-invalid": String(invalid),
    tabindex: "0",
    spellcheck: "false",
    autocapitalize: "off",
    enterkeyhint: "search",
  });
}

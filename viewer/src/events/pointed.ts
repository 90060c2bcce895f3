/** Which word of a message the pointer is on: read when it is clicked, so that rows need not be cut into words. */
import { wordAt } from "./words";

const PHRASE_CHARS_MAX = 200;
const MESSAGE = ".cell-value .shown, pre.whole .shown";

/** "" when it is on none. */
export function pointedWord(event: { clientX: number; clientY: number; target: EventTarget | null }): string {
  const message = event.target instanceof Element ? event.target.closest(MESSAGE) : null;
  const caret = caretAt(event.clientX, event.clientY);
  if (!message || !caret || !message.contains(caret.node)) return "";
  let text = "";
  let offset = -1;
  const walker = document.createTreeWalker(message, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const part = node.textContent ?? "";
    const isStandIn = node.parentElement?.classList.contains("ctl") === true; // of a character that cannot be seen
    if (node === caret.node) offset = isStandIn ? -1 : text.length + caret.offset;
    text += isStandIn ? " ".repeat(part.length) : part;
  }
  return offset < 0 ? "" : wordAt(text, offset);
}

/** What has been selected on one line, as a phrase to look for; "" for nothing. */
export function selectedPhrase(): string {
  const text = window.getSelection()?.toString().trim() ?? "";
  return text.length <= PHRASE_CHARS_MAX && !text.includes("\n") ? text : "";
}

interface Caret {
  node: Node;
  offset: number;
}

/** By the standard's name for it, or the one that older browsers have. */
function caretAt(x: number, y: number): Caret | null {
  if (document.caretPositionFromPoint) {
    const found = document.caretPositionFromPoint(x, y);
    return found && { node: found.offsetNode, offset: found.offset };
  }
  const range = document.caretRangeFromPoint(x, y);
  return range && { node: range.startContainer, offset: range.startOffset };
}

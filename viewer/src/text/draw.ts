/** Text from a log as elements, harmless: it is only ever text of theirs, never markup. */
import type { Marks } from "../query/marks";
import { pieces } from "./pieces";
import { hasRtl } from "./symbols";

/** What `drawText` fills: `bdi` keeps directions of writing apart, which costs a fifth of the layout of rows. */
export function lineOf(text: string): "bdi" | "span" {
  return hasRtl(text) ? "bdi" : "span";
}

/** Makes `line` show `text`: controls as symbols, colours as classes, what was looked for marked. */
export function drawText(line: HTMLElement, text: string, marks: Marks | null): void {
  const found = pieces(text, marks);
  const only = found[0];
  const isPlain = found.length === 1 && only && !only.mark && !only.control && !only.look;
  if (isPlain) setText(line, only.text);
  else line.replaceChildren(...found.map(drawn));
}

/** The same node with another text: nothing but its line is laid out anew. */
export function setText(element: HTMLElement, text: string): void {
  const { firstChild } = element;
  if (firstChild instanceof Text && firstChild === element.lastChild) {
    if (firstChild.data !== text) firstChild.data = text;
  } else element.textContent = text;
}

function drawn({ text, mark, control, look }: ReturnType<typeof pieces>[number]): Node {
  const name = control ? "ctl" : look;
  if (!mark && !name) return document.createTextNode(text);
  return made(mark ? "mark" : "span", name, text);
}

export function made(name: string, className: string, text = ""): HTMLElement {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

/** Where a small window stands: under its button, inside the page. The browser's own popovers do the rest. */

const EDGE_PX = 8;
const GAP_PX = 4;

/** Puts `content` (shown already) below `trigger`, its right edge under the button's where there is room. */
export function placeUnder(trigger: HTMLElement, content: HTMLElement): void {
  const at = trigger.getBoundingClientRect();
  const width = content.offsetWidth;
  const height = content.offsetHeight;
  const left = Math.min(Math.max(EDGE_PX, at.right - width), window.innerWidth - width - EDGE_PX);
  const below = at.bottom + GAP_PX;
  const fits = below + height <= window.innerHeight - EDGE_PX;
  content.style.left = `${Math.max(EDGE_PX, left)}px`;
  content.style.top = `${fits ? below : Math.max(EDGE_PX, window.innerHeight - height - EDGE_PX)}px`;
}

/**
 * The first rows of a search before the script of the page is there: each as one line of text, where the page will have it.
 * Runs in `src/ahead.ts`, so without anything of React.
 */
import type { SearchAnswer } from "../api/types";
import { preferences } from "../app/looks";
import { briefHead, drawBrief } from "../events/brief";
import { placed } from "../events/columns";
import { commonSkew } from "../events/skew";
import { made } from "../text/draw";
import { HISTOGRAM_PX, ROW_PX } from "../ui/heights";
import type { SearchState } from "./state";

const NARROW_PX = 900; // as in the style sheets: what stands above the rows has no certain height there

/** Puts them into `root` unless the page is there, or will have something between its top and them; whether it did. */
export function drawFirstRows(root: HTMLElement, answer: SearchAnswer, state: SearchState): boolean {
  const { events, partial } = answer;
  const skew = commonSkew(events);
  const isPlain = !partial && !state.wrap && !state.context && (skew === null || skew === "late");
  if (!isPlain || !events.length || window.innerWidth <= NARROW_PX || root.childElementCount > 1) return false;
  const { density, zone, clock, widths } = preferences();
  const columns = placed(state.columns, { ...widths, ...state.widths });
  const rows = made("div", "rows");
  rows.append(head(briefHead(columns)), space(events.length * ROW_PX[density]));
  for (const [index, event] of events.slice(0, Math.ceil(window.innerHeight / ROW_PX[density])).entries()) {
    const row = made("div", `row lv-row-${event.level || "none"} brief`);
    drawBrief(row, event, { columns, zone, clock });
    const place = made("div", "row-place");
    place.style.transform = `translateY(${index * ROW_PX[density]}px)`;
    place.append(row);
    rows.lastElementChild!.append(place);
  }
  root.append(page(rows));
  return true;
}

function head(names: string): HTMLElement {
  const found = made("div", "rows-head");
  found.append(made("div", "row head brief", names));
  return found;
}

function space(heightPx: number): HTMLElement {
  const found = made("div", "rows-space");
  found.style.height = `${heightPx}px`;
  return found;
}

/** With the room that the page will need for what is not there yet. */
function page(rows: HTMLElement): HTMLElement {
  const [main, whole, results] = [made("main", ""), made("div", "search-page"), made("section", "results")];
  const [top, histogram] = [made("div", "search-top"), made("div", "chart chart-place bone")];
  histogram.style.height = `${HISTOGRAM_PX}px`;
  top.append(made("div", "query-bar"), histogram, made("div", "result-line"));
  results.append(rows);
  whole.append(top, made("aside", "facets"), results);
  main.append(whole);
  return main;
}

/**
 * Runs as soon as it is there, long before the page can: makes the document look as chosen and the address as it
 * should be, asks for the events of the search that the address names, and draws the first of them.
 * Small, and so without anything of React.
 */
import { sendAhead } from "./api/ahead";
import { address } from "./api/client";
import { told } from "./api/told";
import type { SearchAnswer } from "./api/types";
import { betterAddress } from "./app/arrival";
import { applyPreferences, preferences } from "./app/looks";
import { makesTable } from "./query/edit";
import { drawFirstRows } from "./search/firstRows";
import { startOf } from "./search/start";
import { readState } from "./search/state";
import { firstPage, SEARCH_PATH } from "./search/wanted";
import { readJson } from "./text/json";

applyPreferences();
const start = startOf(told.start, preferences().starts[told.app] ?? "");
const better = betterAddress(location.pathname, location.search, start);
if (better) history.replaceState(history.state, "", better);
const state = readState(location.search);
const isSearch = /^\/app\/?$/.test(location.pathname) && !makesTable(state.query);

/** Whether there are rows of events on the screen, once that is certain. */
export const firstRows: Promise<boolean> = isSearch
  ? firstRowsOf(address(SEARCH_PATH, firstPage(state)))
  : Promise.resolve(false);

async function firstRowsOf(url: string): Promise<boolean> {
  try {
    const answer = await sendAhead(url);
    if (!answer.ok) return false;
    return drawFirstRows(document.getElementById("root")!, readJson(await answer.text()) as SearchAnswer, state);
  } catch {
    return false; // the page, which takes the answer over, says so
  }
}

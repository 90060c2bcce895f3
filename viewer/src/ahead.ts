/**
 * Runs as soon as it is there, long before the page can: makes the document look as chosen and the address as it
 * should be, and asks for the events of
 * the search that the address names.
 * Small, and so without anything of React.
 */
import { sendAhead } from "./api/ahead";
import { address } from "./api/client";
import { told } from "./api/told";
import { betterAddress } from "./app/arrival";
import { applyPreferences, preferences } from "./app/looks";
import { makesTable } from "./query/edit";
import { startOf } from "./search/start";
import { readState } from "./search/state";
import { firstPage, SEARCH_PATH } from "./search/wanted";

applyPreferences();
const start = startOf(told.start, preferences().starts[told.app] ?? "");
const better = betterAddress(location.pathname, location.search, start);
if (better) history.replaceState(history.state, "", better);
const state = readState(location.search);
if (/^\/app\/?$/.test(location.pathname) && !makesTable(state.query)) sendAhead(address(SEARCH_PATH, firstPage(state)));

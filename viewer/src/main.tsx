import { firstRows } from "./ahead";
import "./styles/index.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App, client } from "./app/App";
import { keepFocus } from "./app/focus";
import { onKeyDown } from "./app/keys";
import { readState } from "./search/state";
import { takeFirstEvents } from "./search/useEvents";
import { afterPaint } from "./ui/idle";

window.addEventListener("keydown", onKeyDown);
keepFocus();
const page = createRoot(document.getElementById("root")!);
const AHEAD_MS = 300; // worth a wait: to draw the page without its rows first takes as long

// What `./ahead` draws is on the screen before the page takes the browser's time.
const shown = firstRows.then((areThere) => (areThere ? afterPaint() : undefined));
const taken = takeFirstEvents(client, readState(location.search));
void Promise.race([Promise.all([shown, taken]), new Promise((resolve) => setTimeout(resolve, AHEAD_MS))]).then(() =>
  page.render(
    <StrictMode>
      <App />
    </StrictMode>,
  ),
);

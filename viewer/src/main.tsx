import "./ahead";
import "./styles/index.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App, client } from "./app/App";
import { keepFocus } from "./app/focus";
import { onKeyDown } from "./app/keys";
import { readState } from "./search/state";
import { takeFirstEvents } from "./search/useEvents";

window.addEventListener("keydown", onKeyDown);
keepFocus();
const page = createRoot(document.getElementById("root")!);
void takeFirstEvents(client, readState(location.search)).then(() =>
  page.render(
    <StrictMode>
      <App />
    </StrictMode>,
  ),
);

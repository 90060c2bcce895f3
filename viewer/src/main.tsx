import "./ahead";
import "./styles/index.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { onKeyDown } from "./app/keys";
import { applyPreferences } from "./app/preferences";

applyPreferences();
window.addEventListener("keydown", onKeyDown);
createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);

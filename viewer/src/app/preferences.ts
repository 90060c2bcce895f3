import { useSyncExternalStore } from "react";
import { type Preferences, preferences, subscribe } from "./looks";

export { type Clock, choose, type Preferences } from "./looks";

export function usePreferences(): Preferences {
  return useSyncExternalStore(subscribe, preferences);
}

/** The places of the viewer: one table for routes, navigation and keys. */
import type { ComponentType, LazyExoticComponent } from "react";
import { SearchPage } from "../search/SearchPage";
import { lazily } from "../ui/lazily";

export interface Place {
  path: string;
  /** In the navigation; "" stands in none. */
  name: string;
  /** Follows `g`. */
  key: string;
  page: ComponentType | LazyExoticComponent<ComponentType>;
}

const lists = () => import("../people/ListPage");
const people = () => import("../people/PersonPage");

export const PLACES: readonly Place[] = [
  { path: "/", name: "Search", key: "s", page: SearchPage },
  { path: "/tail", name: "Live tail", key: "t", page: lazily(() => import("../tail/TailPage")) },
  {
    path: "/sessions",
    name: "Sessions",
    key: "e",
    page: lazily(() => lists().then((m) => ({ default: m.SessionsPage }))),
  },
  { path: "/devices", name: "Devices", key: "d", page: lazily(() => import("../people/DevicesPage")) },
  { path: "/users", name: "Users", key: "u", page: lazily(() => lists().then((m) => ({ default: m.UsersPage }))) },
  { path: "/issues", name: "Issues", key: "i", page: lazily(() => import("../issues/IssuesPage")) },
  { path: "/patterns", name: "Patterns", key: "p", page: lazily(() => import("../patterns/PatternsPage")) },
  { path: "/statistics", name: "Statistics", key: "n", page: lazily(() => import("../statistics/StatisticsPage")) },
  { path: "/account", name: "", key: "", page: lazily(() => import("../account/AccountPage")) },
  { path: "/signed-in", name: "", key: "", page: lazily(() => import("../account/SignedInPage")) },
  { path: "/settings/*?", name: "", key: "", page: lazily(() => import("../settings/SettingsPage")) },
  { path: "/session", name: "", key: "", page: lazily(() => import("../session/SessionPage")) },
  { path: "/issue", name: "", key: "", page: lazily(() => import("../issues/IssuePage")) },
  { path: "/event", name: "", key: "", page: lazily(() => import("../events/EventPage")) },
  { path: "/remote", name: "", key: "", page: lazily(() => import("../people/RemotePage")) },
  { path: "/device", name: "", key: "", page: lazily(() => people().then((m) => ({ default: m.DevicePage }))) },
  { path: "/user", name: "", key: "", page: lazily(() => people().then((m) => ({ default: m.UserPage }))) },
];

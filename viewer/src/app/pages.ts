/** The places of the viewer: one table for routes, navigation and keys. */
import { type ComponentType, type LazyExoticComponent, lazy } from "react";
import { SearchPage } from "../search/SearchPage";

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
  { path: "/tail", name: "Live tail", key: "t", page: lazy(() => import("../tail/TailPage")) },
  {
    path: "/sessions",
    name: "Sessions",
    key: "e",
    page: lazy(() => lists().then((m) => ({ default: m.SessionsPage }))),
  },
  { path: "/devices", name: "Devices", key: "d", page: lazy(() => import("../people/DevicesPage")) },
  { path: "/users", name: "Users", key: "u", page: lazy(() => lists().then((m) => ({ default: m.UsersPage }))) },
  { path: "/issues", name: "Issues", key: "i", page: lazy(() => import("../issues/IssuesPage")) },
  { path: "/patterns", name: "Patterns", key: "p", page: lazy(() => import("../patterns/PatternsPage")) },
  { path: "/statistics", name: "Statistics", key: "n", page: lazy(() => import("../statistics/StatisticsPage")) },
  { path: "/account", name: "", key: "", page: lazy(() => import("../account/AccountPage")) },
  { path: "/signed-in", name: "", key: "", page: lazy(() => import("../account/SignedInPage")) },
  { path: "/settings/*?", name: "", key: "", page: lazy(() => import("../settings/SettingsPage")) },
  { path: "/session", name: "", key: "", page: lazy(() => import("../session/SessionPage")) },
  { path: "/issue", name: "", key: "", page: lazy(() => import("../issues/IssuePage")) },
  { path: "/event", name: "", key: "", page: lazy(() => import("../events/EventPage")) },
  { path: "/remote", name: "", key: "", page: lazy(() => import("../people/RemotePage")) },
  { path: "/device", name: "", key: "", page: lazy(() => people().then((m) => ({ default: m.DevicePage }))) },
  { path: "/user", name: "", key: "", page: lazy(() => people().then((m) => ({ default: m.UserPage }))) },
];

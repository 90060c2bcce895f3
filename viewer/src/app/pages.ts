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

const later = (load: () => Promise<{ default: ComponentType }>) => lazy(load);

export const PLACES: readonly Place[] = [{ path: "/", name: "Search", key: "s", page: SearchPage }];

export { later };

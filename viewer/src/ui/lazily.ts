/** Parts of the viewer that are loaded when they are needed, and what happens when they cannot be. */
import { type ComponentType, type LazyExoticComponent, lazy } from "react";

/** A browser that could not load a part once does not ask for it again before the page is loaded anew. */
export class NotLoaded extends Error {
  constructor(cause: unknown) {
    super("Part of this page could not be loaded.", { cause });
  }
}

const KEPT = "logkeep.reloaded";

/** Whether this tab has loaded the page again by itself for a part, and has not got one since. True where nothing is kept. */
export const reloadedFor = {
  get part(): boolean {
    try {
      return sessionStorage.getItem(KEPT) !== null;
    } catch {
      return true;
    }
  },
  set part(reloaded: boolean) {
    try {
      if (reloaded) sessionStorage.setItem(KEPT, "");
      else sessionStorage.removeItem(KEPT);
    } catch {
      // then it reads as true
    }
  },
};

type Loaded<P> = Promise<{ default: ComponentType<P> }>;

/** `instead` stands in where the part cannot be loaded; without it NotLoaded is thrown, for the boundary around it. */
export function lazily<P>(load: () => Loaded<P>, instead?: ComponentType<P>): LazyExoticComponent<ComponentType<P>> {
  return lazy(async () => {
    try {
      const loaded = await load();
      if (!instead) reloadedFor.part = false;
      return loaded;
    } catch (cause) {
      if (instead) return { default: instead };
      throw new NotLoaded(cause);
    }
  });
}

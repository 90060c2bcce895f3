/** Parts of the viewer that are loaded when they are needed, and what happens when they cannot be. */
import { type ComponentType, type LazyExoticComponent, lazy } from "react";

/** A browser that could not load a part once does not ask for it again before the page is loaded anew. */
export class NotLoaded extends Error {
  constructor(cause: unknown) {
    super("Part of this page could not be loaded.", { cause });
  }
}

type Loaded<P> = Promise<{ default: ComponentType<P> }>;

/** `instead` stands in where the part cannot be loaded; without it NotLoaded is thrown, for the boundary around it. */
export function lazily<P>(load: () => Loaded<P>, instead?: ComponentType<P>): LazyExoticComponent<ComponentType<P>> {
  return lazy(() =>
    load().catch((cause: unknown) => {
      if (instead) return { default: instead };
      throw new NotLoaded(cause);
    }),
  );
}

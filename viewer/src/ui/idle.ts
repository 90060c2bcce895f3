const WAIT_MS = 2000;

/** When the browser has nothing to draw, after two seconds in any case: for parts that can come after the rows. */
export function whenIdle(): Promise<void> {
  return new Promise((resolve) => {
    if ("requestIdleCallback" in window) requestIdleCallback(() => resolve(), { timeout: WAIT_MS });
    else setTimeout(resolve, 100);
  });
}

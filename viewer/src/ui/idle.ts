const WAIT_MS = 2000;
const PAINT_MS = 250;

/** When the browser has nothing to draw, after two seconds in any case: for parts that can come after the rows. */
export function whenIdle(): Promise<void> {
  return new Promise((resolve) => {
    if ("requestIdleCallback" in window) requestIdleCallback(() => resolve(), { timeout: WAIT_MS });
    else setTimeout(resolve, 100);
  });
}

/**
 * When what is in the page now is on the screen, a quarter of a second later in any case (a hidden page paints nothing):
 * for questions whose answers take the browser, and a service on the same machine, from the rows.
 */
export function afterPaint(): Promise<void> {
  return new Promise((resolve) => {
    requestAnimationFrame(() => setTimeout(resolve));
    setTimeout(resolve, PAINT_MS);
  });
}

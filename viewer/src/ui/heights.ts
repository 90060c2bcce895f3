/** Heights in pixels that more than one place reckons with. */

/** Of a row, as `--row` in styles/tokens.css. */
export const ROW_PX = { compact: 22, cosy: 30 } as const;
export const HISTOGRAM_PX = 92;

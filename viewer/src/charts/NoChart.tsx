/** Where a chart cannot be loaded: the figures beside it still say what there is to say. */
export function NoChart({ height }: { height: number }) {
  return (
    <p className="chart chart-place note" style={{ height: `${height}px` }}>
      The chart could not be loaded; it comes with the page when that is loaded again.
    </p>
  );
}

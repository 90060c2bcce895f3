/** A trend as small bars; the highest fills the height. */
export function Spark({ counts }: { counts: readonly number[] }) {
  const top = Math.max(1, ...counts);
  const width = 5;
  return (
    <svg
      className="spark"
      viewBox={`0 0 ${counts.length * width} 20`}
      role="img"
      aria-label={`trend: ${counts.join(", ")}`}
    >
      {counts.map((count, index) => (
        <rect
          key={index}
          x={index * width}
          width={width - 1}
          y={20 - (count / top) * 20}
          height={Math.max(count ? 1 : 0, (count / top) * 20)}
        />
      ))}
    </svg>
  );
}

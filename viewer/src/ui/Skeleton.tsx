/** Grey bars where lines will stand, of about their size, so that nothing jumps when they come. */
export function Skeleton({ lines, label = "loading" }: { lines: number; label?: string }) {
  return (
    <div className="skeleton" role="status" aria-label={label}>
      {Array.from({ length: lines }, (_, index) => (
        <div key={index} className={`bone bone-${index % 5}`} />
      ))}
    </div>
  );
}

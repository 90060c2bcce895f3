import { count } from "../text/numbers";

const HEIGHT = 56;
const STEP = 10;

/** How often it happened, day by day (UTC), today last. */
export function Days({ counts }: { counts: readonly number[] }) {
  const top = Math.max(1, ...counts);
  const total = counts.reduce((sum, each) => sum + each, 0);
  return (
    <figure className="days">
      <svg
        viewBox={`0 0 ${counts.length * STEP} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${count(total)} times in ${counts.length} days, at most ${count(top)} a day`}
      >
        {counts.map((each, index) => (
          <g key={index}>
            <title>{`${count(each)} ${dayName(counts.length - 1 - index)}`}</title>
            <rect className="days-ground" x={index * STEP} y="0" width={STEP - 1} height={HEIGHT} />
            <rect
              className="days-bar"
              x={index * STEP}
              y={HEIGHT - bar(each, top)}
              width={STEP - 1}
              height={bar(each, top)}
            />
          </g>
        ))}
      </svg>
      <figcaption className="days-axis note">
        <span>{counts.length - 1} days ago</span>
        <span>
          at most {count(top)} a day, {count(total)} in all
        </span>
        <span>today (UTC)</span>
      </figcaption>
    </figure>
  );
}

function bar(each: number, top: number): number {
  return each ? Math.max(3, (each / top) * HEIGHT) : 0;
}

function dayName(back: number): string {
  return back === 0 ? "today" : back === 1 ? "yesterday" : `${back} days ago`;
}

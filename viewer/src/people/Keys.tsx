import { plain } from "../text/symbols";
import { cut, valueText } from "../text/values";

const FEW = 3;

type KeyValues = Record<string, unknown>;

/** The first few custom keys, on one line. */
export function KeyBadges({ keys }: { keys: KeyValues }) {
  const all = Object.entries(keys);
  return (
    <span className="badges">
      {all.slice(0, FEW).map(([name, value]) => (
        <bdi key={name} className="key-badge">
          {plain(cut(`${name}=${valueText(value)}`, 24))}
        </bdi>
      ))}
      {all.length > FEW && <span className="note">+{all.length - FEW}</span>}
    </span>
  );
}

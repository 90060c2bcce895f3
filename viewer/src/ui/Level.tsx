import { levelClass } from "./levels";

/** The level in its colour and in letters: never by colour alone. */
export function Level({ level }: { level: string | undefined }) {
  return <span className={levelClass(level)}>{level || ""}</span>;
}

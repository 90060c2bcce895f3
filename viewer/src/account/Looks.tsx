import { choose, usePreferences } from "../app/preferences";
import { zoneName } from "../time/format";

/** What is chosen for this browser; the same as in the menu at the top right. */
export function Looks() {
  const { theme, density, zone, clock } = usePreferences();
  return (
    <div className="account-looks">
      <Choice
        name="Colours"
        value={theme}
        choices={{ system: "as the system", light: "light", dark: "dark" }}
        onChoose={(chosen) => choose({ theme: chosen })}
      />
      <Choice
        name="Rows"
        value={density}
        choices={{ compact: "compact", cosy: "more space" }}
        onChoose={(chosen) => choose({ density: chosen })}
      />
      <Choice
        name="Times"
        value={zone}
        choices={{ utc: "UTC", local: `local, ${zoneName("local")}` }}
        onChoose={(chosen) => choose({ zone: chosen })}
      />
      <Choice
        name="Clock of rows"
        value={clock}
        choices={{ sender: "the sender's", server: "when received" }}
        onChoose={(chosen) => choose({ clock: chosen })}
      />
    </div>
  );
}

interface ChoiceProps<Value extends string> {
  name: string;
  value: Value;
  choices: Record<Value, string>;
  onChoose: (value: Value) => void;
}

function Choice<Value extends string>({ name, value, choices, onChoose }: ChoiceProps<Value>) {
  return (
    <fieldset>
      <legend className="note">{name}</legend>
      {(Object.entries(choices) as [Value, string][]).map(([each, said]) => (
        <label key={each}>
          <input type="radio" name={name} checked={each === value} onChange={() => onChoose(each)} /> {said}
        </label>
      ))}
    </fieldset>
  );
}

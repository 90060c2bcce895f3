import { Dialog } from "../ui/Dialog";
import { merged, useShortcutList } from "./keys";

/** All that the keyboard does on this page. */
export function HelpDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog open={open} onClose={onClose} title="Keyboard">
      <Keys />
      <p className="note">
        Everything else is reached with Tab and Enter. In the query bar, ↑ ↓ choose a completion and Tab takes it.
      </p>
    </Dialog>
  );
}

/** Made anew whenever a part of the page comes or goes with its keys: so only while it is seen. */
function Keys() {
  const groups = merged(useShortcutList());
  return (
    <div className="keys">
      {groups.map((group) => (
        <section key={group.name}>
          <h3>{group.name}</h3>
          <dl>
            {group.shortcuts.map((shortcut) => (
              <div key={shortcut.keys}>
                <dt>
                  {shortcut.keys.split(" ").map((key) => (
                    <kbd key={key}>{key.replace("shift+", "⇧ ")}</kbd>
                  ))}
                </dt>
                <dd>{shortcut.does}</dd>
              </div>
            ))}
          </dl>
        </section>
      ))}
    </div>
  );
}

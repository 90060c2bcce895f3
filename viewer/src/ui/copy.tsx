import { useEffect, useState } from "react";

/** Puts `text` on the clipboard; also where the page is not served over https, as on a local network. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text: string): boolean {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "off-screen";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

/** A button that says for a moment that it worked. */
export function CopyButton({ text, children }: { text: () => string; children: string }) {
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => setSaid(""), 1500);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <button
      type="button"
      className="small"
      onClick={async () => setSaid((await copyText(text())) ? "copied" : "not allowed")}
    >
      {said || children}
    </button>
  );
}

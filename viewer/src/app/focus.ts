/** The keyboard stays where it was when what had the focus goes: a row that was removed, a button that was replaced. */

const PLACES = "dialog, section, main, [role=region], [role=treegrid]";

interface Had {
  element: HTMLElement;
  /** Around it, the innermost first. */
  places: HTMLElement[];
  page: string;
  /** Of what is in a dialog: what had the focus before it. */
  opener: HTMLElement | null;
}

/** Without it the browser begins again at the top of the page, which a change of page may do. */
export function keepFocus(): void {
  let had: Had | null = null;
  document.addEventListener("focusin", ({ target }) => {
    had = target instanceof HTMLElement ? told(target, had) : null;
  });
  new MutationObserver(() => {
    if (!had || had.element.isConnected || document.activeElement !== document.body) return;
    const { opener, places, page } = had;
    had = null;
    const place = page === location.pathname && [opener, ...places].find((each) => each?.isConnected);
    if (place) focus(place);
  }).observe(document.body, { childList: true, subtree: true });
}

function told(element: HTMLElement, before: Had | null): Had {
  const dialog = element.closest("dialog");
  const opener = dialog && before && (dialog.contains(before.element) ? before.opener : before.element);
  return { element, places: placesAround(element), page: location.pathname, opener };
}

function placesAround(element: HTMLElement): HTMLElement[] {
  const place = element.parentElement?.closest<HTMLElement>(PLACES);
  return place ? [place, ...placesAround(place)] : [];
}

/** What holds other things takes the focus only now, and is no stop of the Tab key. */
function focus(place: HTMLElement): void {
  if (place.tabIndex < 0 && !place.hasAttribute("tabindex")) {
    place.tabIndex = -1;
    place.addEventListener("blur", () => place.removeAttribute("tabindex"), { once: true });
  }
  place.focus({ preventScroll: true });
}

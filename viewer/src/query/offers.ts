/** Offers of the API that stay true while somebody types on, so that they need not be asked for again. */
import type { CompletionItem } from "../api/types";

const OFFERS_MAX = 20; // of one kind the API gives no more, so more may be missing where there are as many

/** Those of `offers` that go on as `typed` does; null: ask again. Case is the API's matter: either will do here. */
export function narrowed<Offer extends Pick<CompletionItem, "text">>(
  offers: readonly Offer[],
  typed: string,
): Offer[] | null {
  if (offers.length >= OFFERS_MAX || !/^[\w.-]+$/.test(typed)) return null;
  const written = typed.toLowerCase();
  const left = offers.filter((offer) => offer.text.toLowerCase().startsWith(written));
  // Behind a whole word something else may stand.
  return left.length && !left.some((offer) => offer.text.length === typed.length) ? left : null;
}

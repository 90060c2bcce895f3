/** Questions that are sent while the page's script is still on its way; whoever asks the same takes the answer over. */

interface Sent {
  answer: Promise<Response>;
  stop: AbortController;
}

const sent = new Map<string, Sent>();

export function sendAhead(url: string): void {
  const stop = new AbortController();
  const answer = fetch(url, { credentials: "same-origin", signal: stop.signal });
  answer.catch(() => {}); // told to whoever takes it
  sent.set(url, { answer, stop });
}

/** The answer to what was sent ahead, once: a second question is a new one. */
export function takeAhead(url: string, signal?: AbortSignal | null): Promise<Response> | undefined {
  const found = sent.get(url);
  sent.delete(url);
  if (signal?.aborted) found?.stop.abort();
  signal?.addEventListener("abort", () => found?.stop.abort(), { once: true });
  return found?.answer;
}

/** Questions that are sent while the page's script is still on its way; whoever asks the same takes the answer over. */

interface Sent {
  answer: Promise<Response>;
  stop: AbortController;
}

const sent = new Map<string, Sent>();

/** The answer, with a body of its own, for who looks at it before it is taken over. */
export async function sendAhead(url: string): Promise<Response> {
  const stop = new AbortController();
  const answer = read(url, stop.signal);
  sent.set(url, { answer, stop });
  return (await answer).clone();
}

/** With all of its body, so that whoever takes it waits for nothing. */
async function read(url: string, signal: AbortSignal): Promise<Response> {
  const answer = await fetch(url, { credentials: "same-origin", signal });
  return new Response(await answer.arrayBuffer(), answer);
}

/** Whether this was sent and is not taken yet. */
export function isAhead(url: string): boolean {
  return sent.has(url);
}

/** The answer to what was sent ahead, once: a second question is a new one. */
export function takeAhead(url: string, signal?: AbortSignal | null): Promise<Response> | undefined {
  const found = sent.get(url);
  sent.delete(url);
  if (signal?.aborted) found?.stop.abort();
  signal?.addEventListener("abort", () => found?.stop.abort(), { once: true });
  return found?.answer;
}

/** One tab tells the others that somebody has signed in again: what waits in them can go on. */

const NAME = "logkeep.signed-in";

/** Signing in with it leads to a page that tells the other tabs. */
export const SIGN_IN_BESIDE = "/sign-in?next=%2Fapp%2Fsigned-in";

export function tellSignedIn(): void {
  const channel = new BroadcastChannel(NAME);
  channel.postMessage("");
  channel.close();
}

/** Calls `run` whenever another tab has signed in; what is returned ends that. */
export function onSignedIn(run: () => void): () => void {
  const channel = new BroadcastChannel(NAME);
  channel.onmessage = run;
  return () => channel.close();
}

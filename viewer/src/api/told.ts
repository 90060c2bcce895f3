/** What the server told this page with itself (src/logkeep/api/viewer_files.py). */

export interface Told {
  app: string;
  version: string;
  retention_days: number;
  intake: string;
  /** The search that the account begins with, "" for none; null where there is no account. */
  start: string | null;
}

function read(): Told {
  const content = globalThis.document?.querySelector<HTMLMetaElement>('meta[name="logkeep"]')?.content ?? "";
  try {
    return JSON.parse(content) as Told;
  } catch {
    return { app: "default", version: "", retention_days: 15, intake: "127.0.0.1:7300", start: null }; // vite's own server
  }
}

export const told: Told = read();

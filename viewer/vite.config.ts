import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

// The API serves the result under /app/ and nothing else: no inlined file (its policy forbids data: addresses), no
// preload script in the page.
export default defineConfig({
  base: "/app/",
  plugins: [react(), ahead(), compiledWhole()],
  build: {
    outDir: "../src/logkeep/api/static/viewer",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      checks: { pluginTimings: false },
      output: {
        codeSplitting: {
          groups: [
            { name: "ahead", test: /[\\/]src[\\/]ahead\.ts$/, priority: 2 },
            // What every page needs is one file: a browser has six connections, and each file is a round trip.
            { name: "base", tags: ["$initial"], priority: 1 },
          ],
        },
      },
    },
  },
  server: {
    proxy: {
      "/api": "http://127.0.0.1:7301",
      "/sessions": "http://127.0.0.1:7301",
      "/static": "http://127.0.0.1:7301",
    },
  },
  test: { environment: "node", include: ["src/**/*.test.{ts,tsx}"] },
});

/** Lets src/ahead.ts run before the rest of the script is there. */
function ahead(): Plugin {
  return {
    name: "ahead",
    transformIndexHtml: {
      order: "post",
      handler(_, { bundle }) {
        const chunk = Object.values(bundle ?? {}).find((each) => each.type === "chunk" && each.name === "ahead");
        if (!chunk) return [];
        const attrs = { type: "module", async: true, crossorigin: true, src: `/app/${chunk.fileName}` };
        // After the meta that it reads; a preload of it stands beside it, which browsers fetch before all else.
        return [{ tag: "script", attrs, injectTo: "head" }];
      },
    },
  };
}

/**
 * Has browsers that know the comment (Chromium 136 and newer) compile the first page's functions while the file comes in,
 * beside the page's own thread, instead of each when it is called first.
 */
function compiledWhole(): Plugin {
  return {
    name: "compiled-whole",
    enforce: "post",
    generateBundle: {
      order: "post", // the comment has to be the first line
      handler(_, bundle) {
        for (const each of Object.values(bundle))
          if (each.type === "chunk" && (each.isEntry || each.name === "ahead"))
            each.code = `//# allFunctionsCalledOnLoad\n${each.code}`;
      },
    },
  };
}

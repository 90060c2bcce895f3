import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// The API serves the result under /app/ and nothing else: no inlined file (its policy forbids data: addresses), no
// preload script in the page.
export default defineConfig({
  base: "/app/",
  plugins: [react()],
  build: {
    outDir: "../src/logkeep/api/static/viewer",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    chunkSizeWarningLimit: 700,
    rolldownOptions: { checks: { pluginTimings: false } },
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

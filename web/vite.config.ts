import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [react()],
  build: {
    // Nothing as a data: URL: the content security policy allows files of ours alone.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2023",
  },
  server: { proxy: { "/v1": "http://localhost:8080" } },
  test: { include: ["src/**/*.test.ts"] },
});

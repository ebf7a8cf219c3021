import { defineConfig } from "vite";

// Two pages. An app with one needs no configuration at all.
export default defineConfig({
  build: { rolldownOptions: { input: ["index.html", "page-mode.html"] } },
});

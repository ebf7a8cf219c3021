// Bundles the page's TypeScript and CSS into target/www for Trunk.
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

await build({
  entryPoints: [
    { in: here("src/main.ts"), out: "app" },
    { in: here("styles/app.css"), out: "app" },
  ],
  outdir: here("../target/www"),
  bundle: true,
  format: "esm",
  // Private fields, top-level await and the CSS used here are native in every browser of this age.
  target: ["chrome111", "firefox115", "safari16.4"],
  // The vault is not part of the page's bundle: it is fetched from the site as any package user would host it.
  external: ["/keyferry/*"],
  minify: process.env.TRUNK_PROFILE === "release",
  legalComments: "none",
  logLevel: "warning",
});

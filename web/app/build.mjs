// Builds the web client into dist/: index.html, assets/ (their names carry a hash of their content, so that they may be
// cached for ever), and what lies in public/ under its own name. No inline script or style: `default-src 'self'` holds.

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { context } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "dist");
const watch = process.argv.includes("--watch");

const page = {
  name: "page",
  setup(build) {
    build.onStart(() => rmSync(join(out, "assets"), { recursive: true, force: true }));
    build.onEnd(({ metafile, errors }) => {
      if (errors.length > 0) return;
      const built = Object.keys(metafile.outputs).map((path) => basename(path));
      const named = (start, end) => built.find((name) => name.startsWith(start) && name.endsWith(end));
      let html = readFileSync(join(here, "index.html"), "utf8");
      html = html.replace("{{script}}", `/assets/${named("main-", ".js")}`);
      html = html.replace("{{style}}", `/assets/${named("styles-", ".css")}`);
      cpSync(join(here, "public"), out, { recursive: true });
      writeFileSync(join(out, "index.html"), html);
    });
  },
};

mkdirSync(out, { recursive: true });
if (!watch) rmSync(out, { recursive: true, force: true });
const build = await context({
  entryPoints: { main: join(here, "src/main.tsx"), styles: join(here, "src/styles/index.css") },
  outdir: join(out, "assets"),
  entryNames: "[name]-[hash]",
  bundle: true,
  minify: !watch,
  format: "esm",
  target: ["chrome109", "firefox115", "safari16"],
  sourcemap: watch ? "linked" : false,
  metafile: true,
  tsconfig: join(here, "../tsconfig.json"),
  plugins: [page],
  logLevel: "info",
});
if (watch) {
  await build.watch();
} else {
  await build.rebuild();
  await build.dispose();
}

// Bundles Lit into the one file that the studio page loads. `node bundle.mjs [folder]`; the default is the committed one.
import { build } from "esbuild";
import { copyFile, mkdir, readFile } from "node:fs/promises";

const { version } = JSON.parse(await readFile(new URL("node_modules/lit/package.json", import.meta.url)));
const folder = process.argv[2] ?? new URL("../../orchestrator/studio/vendor", import.meta.url).pathname;

await mkdir(folder, { recursive: true });
await build({
  stdin: {
    contents: `
      export { LitElement, html, svg, css, nothing } from "lit";
      export { repeat } from "lit/directives/repeat.js";
      export { live } from "lit/directives/live.js";
    `,
    resolveDir: new URL(".", import.meta.url).pathname,
  },
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none", // the licence lies beside it, whole
  banner: { js: `// Lit ${version}, bundled by \`make studio-vendor\`. BSD-3-Clause, see LICENSE-lit.` },
  outfile: `${folder}/lit-${version}.js`,
});
await copyFile(new URL("node_modules/lit/LICENSE", import.meta.url), `${folder}/LICENSE-lit`);

// Bundles a page into FOLDER/NAME.html and FOLDER/NAME.js: node bundle.mjs SOURCE FOLDER NAME
import { writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"

import { build } from "esbuild"

const [source, folder, name] = process.argv.slice(2)
await build({
  entryPoints: [source],
  outfile: `${folder}/${name}.js`,
  nodePaths: [fileURLToPath(new URL("../node_modules", import.meta.url))],
  bundle: true,
  format: "esm",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "warning",
})
await writeFile(
  `${folder}/${name}.html`,
  '<!doctype html><meta charset="utf-8"><title>Another origin</title><div id="root"></div>' +
    `<script type="module" src="${name}.js"></script>`,
)

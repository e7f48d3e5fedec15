// Bundles the page into FOLDER: node bundle.mjs FOLDER
import { writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"

import { build } from "esbuild"

const [folder] = process.argv.slice(2)
await build({
  entryPoints: [fileURLToPath(new URL("page.jsx", import.meta.url))],
  outfile: `${folder}/page.js`,
  bundle: true,
  format: "esm",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "warning",
})
await writeFile(
  `${folder}/index.html`,
  '<!doctype html><meta charset="utf-8"><title>Another origin</title><div id="root"></div>' +
    '<script type="module" src="page.js"></script>',
)

/**
 * Puts the library that lays out graphs, and its licence, into the one module of the package that needs it: about 50 kB
 * that are loaded only with the dashboard. As a dependency it would be 3 MB in every installation; as an optional peer,
 * the dashboard would not work before somebody had installed it.
 */
import { build } from "esbuild"
import * as fs from "node:fs"

const file = "dist/dashboard/graph/layout.js"

const licences = ["dagre", "graphlib"].map((name) => {
  const folder = `node_modules/@dagrejs/${name}`
  return `@dagrejs/${name}\n${fs.readFileSync(`${folder}/LICENSE`, "utf8").trim()}`
})

await build({
  entryPoints: [file],
  outfile: file,
  allowOverwrite: true,
  bundle: true,
  format: "esm",
  platform: "neutral",
  mainFields: ["module", "main"],
  target: "es2022",
  minifyWhitespace: true,
  minifySyntax: true,
  banner: { js: `/*!\n${licences.join("\n\n")}\n*/` },
  legalComments: "inline",
  logLevel: "warning"
})

// It describes the module as it was before.
fs.rmSync(`${file}.map`)

/**
 * The TypeScript in Markdown pages and doc comments, as files that can be compiled and run.
 *
 * Each block is a module of its own, and keeps its place: line 40 of a page is line 40 of the file, so an error's line
 * is the page's. A block that begins with `// name.ts` becomes that file; one whose fence says `ts continued` goes on
 * with the block before it. `ts signature` marks what the API reference cut from the sources: no program.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"

/** The project's folder. */
export const project = fileURLToPath(new URL("../../..", import.meta.url))

interface Block {
  readonly line: number
  readonly continued: boolean
  readonly code: ReadonlyArray<string>
}

/** A block as a file. */
export interface Snippet {
  /** Where it comes from, relative to the project. */
  readonly source: string
  /** The file to be written, relative to the folder of all snippets. */
  readonly file: string
  readonly text: string
}

/** The fenced `ts` blocks of a text. */
const blocksOf = (lines: ReadonlyArray<string>): ReadonlyArray<Block> => {
  const blocks: Array<Block> = []
  let open: { readonly line: number; readonly continued: boolean } | undefined
  lines.forEach((text, index) => {
    const fence = /^```(\S*) ?(.*)$/.exec(text)
    if (open !== undefined && text === "```") {
      blocks.push({ ...open, code: lines.slice(open.line, index) })
      open = undefined
    } else if (open === undefined && fence?.[1] === "ts" && fence[2] !== "signature") {
      open = { line: index + 1, continued: fence[2] === "continued" }
    }
  })
  return blocks
}

/** Puts lines where they were on the page, below what is there already. */
const place = (text: string, { code, line }: Block): string =>
  text + "\n".repeat(Math.max(0, line - text.split("\n").length + 1)) + code.join("\n") + "\n"

const nameOf = (block: Block): string => /^\/\/ (\S+\.ts)$/.exec(block.code[0] ?? "")?.[1] ?? `line${block.line + 1}.ts`

const toSnippets = (source: string, lines: ReadonlyArray<string>): ReadonlyArray<Snippet> => {
  const folder = source.replaceAll(/[^\w-]/g, "_")
  const snippets: Array<Snippet> = []
  for (const block of blocksOf(lines)) {
    const last = snippets.at(-1)
    if (block.continued && last !== undefined) {
      snippets[snippets.length - 1] = { ...last, text: place(last.text, block) }
    } else snippets.push({ source, file: path.join(folder, nameOf(block)), text: place("", block) })
  }
  return snippets
}

const readLines = (source: string): ReadonlyArray<string> =>
  fs.readFileSync(path.join(project, source), "utf8").split("\n")

/** The blocks of a Markdown page. */
export const inPage = (source: string): ReadonlyArray<Snippet> => toSnippets(source, readLines(source))

/** The blocks in a module's doc comments. */
export const inComments = (source: string): ReadonlyArray<Snippet> =>
  toSnippets(source, readLines(source).map((line) => line.replace(/^\s*\* ?/, "")))

/** Files below a folder of the project, by the end of their names. */
export const filesIn = (folder: string, ending: string): ReadonlyArray<string> =>
  fs.existsSync(path.join(project, folder))
    ? fs.readdirSync(path.join(project, folder), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(ending))
      .map((file) => path.join(folder, file))
      .sort()
    : []

const config = (files: ReadonlyArray<string>) => ({
  extends: "../tsconfig.json",
  compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
  include: [],
  files
})

/** Writes snippets to a new folder within the project, where this package's name and its dependencies resolve. */
export const write = (snippets: ReadonlyArray<Snippet>): string => {
  const folder = fs.mkdtempSync(path.join(project, ".snippets-"))
  fs.writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify(config(snippets.map(({ file }) => file))))
  for (const { file, text } of snippets) {
    fs.mkdirSync(path.join(folder, path.dirname(file)), { recursive: true })
    // Without an import or an export it would be a script, and share its names with all other scripts.
    fs.writeFileSync(path.join(folder, file), `${text}export {}\n`)
  }
  return folder
}

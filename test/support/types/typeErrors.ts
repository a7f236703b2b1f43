/**
 * Compile errors as a user sees them. A fixture says what it expects above the line at fault:
 *
 * ```ts
 * // error: this step moves to "Paid"
 * handler: () => …
 * ```
 *
 * Several such comments above one line: its errors have to say all of that. An error has to say it in its last line,
 * where people look for it.
 */
import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

/** Where something is expected or found; lines count from 1. */
export interface At {
  readonly file: string
  readonly line: number
  readonly message: string
}

const folder = fileURLToPath(new URL("../../definition/types/errors", import.meta.url))
const tsc = fileURLToPath(new URL("../../../node_modules/.bin/tsc", import.meta.url))

/** The fixtures' names. */
export const fixtures: ReadonlyArray<string> = readdirSync(folder).filter((name) => name.endsWith(".ts")).sort()

const marker = /^\s*\/\/ error: (.*)$/

/** What a fixture expects. */
export const expected = (file: string): ReadonlyArray<At> => {
  const found: Array<At> = []
  let pending: Array<string> = []
  readFileSync(`${folder}/${file}`, "utf8").split("\n").forEach((text, index) => {
    const message = marker.exec(text)?.[1]
    if (message !== undefined) pending.push(message)
    else {
      found.push(...pending.map((message) => ({ file, line: index + 1, message })))
      pending = []
    }
  })
  return found
}

const head = /^([^\s(]+)\((\d+),\d+\): error (TS\d+: .*)$/

// A message in a literal type is printed with its quotes escaped.
const withPlainQuotes = (text: string) => text.replaceAll("\\\"", "\"")

/** What tsc prints, message by message: its further lines are indented. */
export const parse = (output: string): ReadonlyArray<At> => {
  const found: Array<At> = []
  for (const text of withPlainQuotes(output).split("\n")) {
    const [, file, line, message] = head.exec(text) ?? []
    const last = found.at(-1)
    if (file !== undefined) found.push({ file, line: Number(line), message: message! })
    else if (text.startsWith(" ") && last !== undefined) {
      found[found.length - 1] = { ...last, message: `${last.message}\n${text}` }
    } else if (text.trim() !== "") found.push({ file: "", line: 0, message: text })
  }
  return found
}

/** Compiles all fixtures at once. */
export const compile = (): Promise<ReadonlyArray<At>> =>
  new Promise((resolve) => {
    execFile(tsc, ["--noEmit", "--pretty", "false"], { cwd: folder, maxBuffer: 1e8 }, (_, stdout, stderr) =>
      resolve(parse(stdout + stderr)))
  })

/** What differs between what a fixture expects and what was found in it; nothing if all is as it should be. */
export const differences = (
  expectations: ReadonlyArray<At>,
  found: ReadonlyArray<At>
): ReadonlyArray<string> => {
  const matches = (expectation: At, error: At) =>
    error.line === expectation.line && error.message.split("\n").at(-1)!.includes(expectation.message)
  const missing = expectations.filter((expectation) => !found.some((error) => matches(expectation, error)))
  const surplus = found.filter((error) => !expectations.some((expectation) => matches(expectation, error)))
  return [
    ...missing.map(({ line, message }) => `line ${line} should fail with: ${message}`),
    ...surplus.map(({ line, message }) => `line ${line} fails with: ${message}`)
  ]
}

/** A doc comment: what it says, and its tags. */

/** A doc comment, taken apart. */
export interface Doc {
  readonly description: string
  /** Each with its code block. */
  readonly examples: ReadonlyArray<string>
  readonly category: string | undefined
  readonly since: string | undefined
}

interface Part {
  readonly tag: string
  readonly lines: Array<string>
}

/** The lines of a comment, each without its margin. */
const linesOf = (comment: string): ReadonlyArray<string> =>
  comment.replace(/^\*/, "").split("\n").map((line) => line.replace(/^\s*\* ?/, "").trimEnd())

/** Splits at lines that begin with a tag, code blocks aside. */
const partsOf = (comment: string): ReadonlyArray<Part> => {
  const parts: Array<Part> = [{ tag: "", lines: [] }]
  let inCode = false
  for (const line of linesOf(comment)) {
    const [, tag, rest = ""] = (inCode ? null : /^@(\w+) ?(.*)$/.exec(line)) ?? []
    if (tag === undefined) parts.at(-1)!.lines.push(line)
    else parts.push({ tag, lines: [rest] })
    if (line.startsWith("```")) inCode = !inCode
  }
  return parts
}

const known = new Set(["", "example", "category", "since"])

/** Takes a doc comment apart. Throws for tags that the reference would leave out. */
export const parseDoc = (comment: string): Doc => {
  const parts = partsOf(comment)
  const texts = (tag: string) => parts.filter((part) => part.tag === tag).map(({ lines }) => lines.join("\n").trim())
  const unknown = parts.find(({ tag }) => !known.has(tag))
  if (unknown !== undefined) throw new Error(`unknown tag @${unknown.tag}`)
  return {
    description: texts("")[0] ?? "",
    examples: texts("example"),
    category: texts("category")[0],
    since: texts("since")[0]
  }
}

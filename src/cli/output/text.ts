/** Text for a terminal: cut to a width in columns, and without characters that move the cursor. */
import * as CliOutput from "effect/cli/CliOutput"
import * as Duration from "effect/Duration"

const segmenter = new Intl.Segmenter()

/** In UTF-16 units: more than any grapheme of a real language has. */
const partLength = 256

/**
 * The graphemes of a text, some at a time. `Intl.Segmenter` gets only a part of the text at once, because its time
 * grows with the square of the length: 20 kB take 70 ms.
 */
function* parts(text: string): Generator<ReadonlyArray<string>> {
  let length = partLength
  for (let start = 0; start < text.length;) {
    const end = start + length + (/[\ud800-\udbff]/.test(text.charAt(start + length - 1)) ? 1 : 0)
    const graphemes = Array.from(segmenter.segment(text.slice(start, end)), ({ segment }) => segment)
    // The last one may continue in the next part.
    if (end < text.length) graphemes.pop()
    length = graphemes.length === 0 ? length * 2 : partLength
    start += graphemes.reduce((sum, grapheme) => sum + grapheme.length, 0)
    yield graphemes
  }
}

const isPlain = (text: string) => /^[\x20-\x7e]*$/.test(text)

/** In columns of a terminal. */
export const widthOf = (text: string): number => {
  if (isPlain(text)) return text.length
  let width = 0
  for (const graphemes of parts(text)) width += CliOutput.displayWidth(graphemes.join(""))
  return width
}

/** A letter may have any number of marks, which take no column. Text with more units than this for a column is cut. */
const unitsPerColumn = 64

/** Cuts a text to this many columns, with … for what is missing. Reads no more of a long text than it returns. */
export const cut = (text: string, width: number): string => {
  if (width === Infinity) return text
  const head = text.slice(0, (width + 1) * unitsPerColumn)
  if (isPlain(head)) return text.length <= width ? text : `${text.slice(0, Math.max(width - 1, 0))}…`
  let kept = ""
  let used = 0
  for (const graphemes of parts(head)) {
    for (const grapheme of graphemes) {
      used += widthOf(grapheme)
      if (used > width) return `${kept}…`
      if (used < width) kept += grapheme
    }
  }
  return head.length === text.length ? text : `${kept}…`
}

/** Control characters, and those that turn the direction of text. */
const control = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu

const escape = (character: string) => `\\x${character.codePointAt(0)!.toString(16).padStart(2, "0")}`

/** Whatever a row holds, as one line: errors and states come from anywhere, and must not control a terminal. */
export const oneLine = (text: string): string =>
  text.replace(/\s+/g, (space) => /[\r\n\t]/.test(space) ? " " : space).replace(control, escape)

/** The same for text of several lines. */
export const printable = (text: string): string =>
  text.split(/\r?\n/).map((line) => line.replaceAll("\t", "  ").replace(control, escape)).join("\n")

/** Lines of at most this many columns, unless a single word is longer. */
export const wrap = (text: string, width: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = ""
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`
    if (line === "" || widthOf(longer) <= width) {
      line = longer
    } else {
      lines.push(line)
      line = word
    }
  }
  return [...lines, line]
}

export const pad = (text: string, width: number, align: "left" | "right"): string => {
  const space = " ".repeat(Math.max(width - widthOf(text), 0))
  return align === "left" ? text + space : space + text
}

const units = [["d", 86_400], ["h", 3600], ["m", 60], ["s", 1]] as const

/** In two units at most: `3d4h`, `12m30s`, `45s`. */
export const formatDuration = (duration: Duration.Duration): string => {
  let rest = Math.max(Math.round(Duration.toSeconds(duration)), 0)
  const first = units.findIndex(([, seconds]) => rest >= seconds)
  if (first < 0) return "0s"
  return units.slice(first, first + 2).map(([unit, seconds]) => {
    const count = Math.floor(rest / seconds)
    rest -= count * seconds
    return count === 0 ? "" : `${count}${unit}`
  }).join("")
}

/** "1 task", "2 tasks", "1,000 tasks". */
export const plural = (count: number, one: string, many: string = `${one}s`): string =>
  `${formatCount(count)} ${count === 1 ? one : many}`

export const formatCount = (count: number): string => count.toLocaleString("en-US")

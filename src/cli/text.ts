/** Text as a terminal shows it: cut to a width, in columns, with nothing in it that moves the cursor. */
import * as CliOutput from "effect/cli/CliOutput"
import * as Duration from "effect/Duration"

export const widthOf = CliOutput.displayWidth

const segmenter = new Intl.Segmenter()

// oxlint-disable-next-line eslint/no-control-regex -- they are what it is about
const control = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

const escape = (character: string) => `\\x${character.codePointAt(0)!.toString(16).padStart(2, "0")}`

/** Whatever a row holds, as one line: errors and states come from anywhere, and must not control a terminal. */
export const oneLine = (text: string): string => text.replace(/\s*[\r\n\t]+\s*/g, " ").replace(control, escape)

/** The same for text of several lines. */
export const printable = (text: string): string =>
  text.split(/\r?\n/).map((line) => line.replaceAll("\t", "  ").replace(control, escape)).join("\n")

/** At most so many columns wide, with … for what is missing. */
export const cut = (text: string, width: number): string => {
  if (widthOf(text) <= width) return text
  let result = ""
  let used = 0
  for (const { segment } of segmenter.segment(text)) {
    const next = used + widthOf(segment)
    if (next > width - 1) break
    result += segment
    used = next
  }
  return `${result}…`
}

/** Lines of at most so many columns, where words allow it. */
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

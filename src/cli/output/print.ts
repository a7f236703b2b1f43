/** What the commands print: text that fits the terminal, or JSON. */
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { stringify } from "./json.ts"
import { type Column, table } from "./table.ts"
import { formatCount } from "./text.ts"

/** How text is emphasised: not at all if the output has no colours. */
export interface Style {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly red: (text: string) => string
  readonly green: (text: string) => string
  readonly yellow: (text: string) => string
  readonly cyan: (text: string) => string
}

const ansi = (on: number, off: number) => (text: string) => text === "" ? "" : `\u001b[${on}m${text}\u001b[${off}m`
const plain = (text: string) => text

const colored: Style = {
  bold: ansi(1, 22),
  dim: ansi(2, 22),
  red: ansi(31, 39),
  green: ansi(32, 39),
  yellow: ansi(33, 39),
  cyan: ansi(36, 39)
}

const uncolored: Style = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, cyan: plain }

export const style: Effect.Effect<Style> = Effect.map(
  TerminalCapabilities.TerminalCapabilities,
  ({ canColor }) => canColor ? colored : uncolored
)

/** How wide a line may be. Without a terminal: as wide as `COLUMNS` says, or without a limit. */
export const width: Effect.Effect<number> = Effect.sync(() => {
  if (process.stdout.isTTY) return process.stdout.columns > 0 ? process.stdout.columns : 80
  const given = Number(process.env["COLUMNS"])
  return Number.isInteger(given) && given > 0 ? given : Infinity
})

export const lines = (all: ReadonlyArray<string>): Effect.Effect<void> =>
  all.length === 0 ? Effect.void : Console.log(all.join("\n"))

export const json = (value: unknown): Effect.Effect<void> => Console.log(stringify(value, 2))

/** The same on one line: for many values, one after the other. */
export const jsonLine = (value: unknown): Effect.Effect<void> => Console.log(stringify(value))

/** A note for people, on stderr: it is not part of the output. */
export const note = (text: string): Effect.Effect<void> => Console.error(text)

/** Says so if a list ends because it is as long as it may be: what it lacks must not look as if it were not there. */
export const noteCut = (listed: ReadonlyArray<unknown>, most: number, which: string): Effect.Effect<void> =>
  listed.length < most ? Effect.void : note(`${which}: ${formatCount(most)}, and there may be more`)

/** A table, whose columns may depend on the width. */
export const rows = <A>(
  columns: (style: Style, width: number) => ReadonlyArray<Column<A>>,
  items: ReadonlyArray<A>
): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function*() {
    const looks = yield* style
    const room = yield* width
    return table(columns(looks, room), items, { width: room, bold: looks.bold })
  })

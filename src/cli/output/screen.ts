/** A screen that is redrawn in place. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Terminal from "effect/Terminal"

/** Uses the terminal's alternate screen, without a cursor, and without wrapping: lines that are too wide are cut. */
const enter = "\u001b[?1049h\u001b[?25l\u001b[?7l"
const leave = "\u001b[?7h\u001b[?25h\u001b[?1049l"
const home = "\u001b[H"
const clearLine = "\u001b[K"
const clearBelow = "\u001b[J"

export interface Screen {
  readonly draw: (lines: ReadonlyArray<string>) => Effect.Effect<void>
}

/**
 * Uses the terminal's alternate screen until the scope closes. Then the last drawing is printed on the normal screen.
 */
export const open = Effect.gen(function*() {
  const terminal = yield* Terminal.Terminal
  const display = (text: string) => Effect.orDie(terminal.display(text))
  let last: ReadonlyArray<string> = []
  // Restores the terminal also if the process exits before its scopes are closed.
  const onExit = () => process.stdout.write(leave)
  yield* Effect.acquireRelease(
    Effect.andThen(Effect.sync(() => process.once("exit", onExit)), display(enter)),
    () =>
      Effect.andThen(
        Effect.sync(() => process.off("exit", onExit)),
        display(`${leave}${last.map((line) => `${line}\n`).join("")}`)
      )
  )
  const screen: Screen = {
    draw: (lines) =>
      Effect.gen(function*() {
        last = lines.slice(0, Math.max((yield* terminal.rows) - 1, 1))
        // A line is cleared before it is drawn: after a line that fills the screen, its last column would be cleared.
        yield* display(home + last.map((line) => `${clearLine}${line}\n`).join("") + clearBelow)
      })
  }
  return screen
})

/** For output that is not a terminal: prints one drawing after the other. */
export const plain: Screen = { draw: (lines) => Console.log(`${lines.join("\n")}\n`) }

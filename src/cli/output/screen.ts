/** A screen that is drawn again and again, in place. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Terminal from "effect/Terminal"

/** A screen of its own, without a cursor; and what is too wide for it is cut, or else every line would be two. */
const enter = "\u001b[?1049h\u001b[?25l\u001b[?7l"
const leave = "\u001b[?7h\u001b[?25h\u001b[?1049l"
const home = "\u001b[H"
const clearLine = "\u001b[K"
const clearBelow = "\u001b[J"

export interface Screen {
  readonly draw: (lines: ReadonlyArray<string>) => Effect.Effect<void>
}

/** Takes the terminal's other screen until the scope closes; what was drawn last stays on the usual one. */
export const open = Effect.gen(function*() {
  const terminal = yield* Terminal.Terminal
  const display = (text: string) => Effect.orDie(terminal.display(text))
  let last: ReadonlyArray<string> = []
  // A process that is ended before its scopes are closed gives the terminal back, too.
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
        // Cleared first: behind a line that fills the screen, the last column would be cleared.
        yield* display(home + last.map((line) => `${clearLine}${line}\n`).join("") + clearBelow)
      })
  }
  return screen
})

/** For what is not a terminal: one after the other. */
export const plain: Screen = { draw: (lines) => Console.log(`${lines.join("\n")}\n`) }

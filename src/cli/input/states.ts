/** What the commands about states share: the tasks of a module, and a line that says how far they are. */
import * as Effect from "effect/Effect"
import * as Terminal from "effect/Terminal"
import * as Admin from "../../Admin.ts"
import type * as Task from "../../Task.ts"
import { limits, within, withinEach } from "../connection.ts"
import { formatCount } from "../output/text.ts"

/** For effects that need nothing but the database. What a schema needs to decode is not there. */
export const withoutServices = (tasks: ReadonlyArray<Task.Any>) => tasks as ReadonlyArray<Task.Any<never>>

const width = 24

/** One line at the end of a terminal, drawn again and again. Nothing where the output is no terminal. */
const withLine = <A, E, R>(
  total: number,
  run: (onProgress: (rows: number) => Effect.Effect<void>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | Terminal.Terminal> =>
  Effect.gen(function*() {
    const terminal = yield* Terminal.Terminal
    if (!process.stdout.isTTY) return yield* run(() => Effect.void)
    const display = (text: string) => Effect.ignore(terminal.display(`\r\u001b[K${text}`))
    const draw = (rows: number) => {
      const part = total === 0 ? 1 : Math.min(rows / total, 1)
      const done = Math.round(part * width)
      return display(
        `${"█".repeat(done)}${"░".repeat(width - done)} ${formatCount(rows)} of ${formatCount(total)} rows`
      )
    }
    return yield* Effect.ensuring(run(draw), display(""))
  })

/** The same for what reads rows page by page. Fails when the database does not give one for long. */
export const withProgress = <A, E, R>(
  total: number,
  run: (onProgress: (rows: number) => Effect.Effect<void>) => Effect.Effect<A, E, R>
) =>
  withLine(total, (draw) => withinEach(limits.read)((answered) => run((rows) => Effect.andThen(answered, draw(rows)))))

/** How many rows these tasks have. */
export const countRows = (tasks: ReadonlyArray<Task.Any>) =>
  Effect.map(
    within(limits.read)(Admin.counts()),
    (counts) => counts.reduce((sum, { count, task }) => tasks.some(({ name }) => name === task) ? sum + count : sum, 0)
  )

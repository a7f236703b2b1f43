/** A live view of the table: counts, and the latest failures, or the counts of errors. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Terminal from "effect/Terminal"
import * as Admin from "../../Admin.ts"
import { databaseName, limits, within } from "../connection.ts"
import { errorColumns, statsColumns, toStats } from "../output/countTable.ts"
import { report } from "../exit.ts"
import { stringify } from "../output/json.ts"
import { Json } from "../input/flags.ts"
import * as Output from "../output/print.ts"
import { failureColumns } from "../output/rowTable.ts"
import * as Screen from "../output/screen.ts"
import { cut } from "../output/text.ts"

interface Options {
  readonly task: string | null | undefined
  /** Count failures by this. Undefined: list the latest. */
  readonly by: "error" | undefined
  readonly interval: Duration.Duration
}

/** What one look finds. */
interface Snapshot {
  readonly counts: ReadonlyArray<Admin.Count>
  readonly failures: ReadonlyArray<Admin.Row>
  readonly errors: ReadonlyArray<Admin.ErrorCount>
}

/** A look reads the whole table. The pause after it is at least this many times as long as the look. */
const lookShare = 5

/** More lines than any screen has. */
const maxFailures = 100

const look = ({ by, task }: Options) =>
  within(limits.read)(
    Effect.all({
      counts: Admin.counts({ task }),
      failures: by === undefined
        ? Effect.map(
          Admin.list({ task, status: "parked", order: "newestFirst", limit: maxFailures }),
          ({ rows }) => rows
        )
        : Effect.succeed([]),
      errors: by === "error" ? Admin.countErrors({ task, limit: maxFailures }) : Effect.succeed([])
    })
  )

type LookError = Effect.Error<ReturnType<typeof look>>

const encode = ({ counts, errors, failures }: Snapshot, { by }: Options, at: DateTime.Utc) => ({
  at: DateTime.formatIso(at),
  counts: counts.map((count) => Schema.encodeSync(Admin.Count)(count)),
  ...(by === "error"
    ? { errors: errors.map((count) => Schema.encodeSync(Admin.ErrorCount)(count)) }
    : { parked: failures.map((row) => Schema.encodeSync(Admin.Row)(row)) })
})

/** Both tables, cut so that each has room: the second gets what the first leaves, but half of it at least. */
const fit = (counts: ReadonlyArray<string>, failures: ReadonlyArray<string>, room: number) => {
  const first = Math.min(counts.length, Math.max(Math.ceil(room / 2), room - failures.length - 1))
  const cutOff = counts.length - first
  const shown = cutOff > 0 ? [...counts.slice(0, first - 1), `… ${cutOff + 1} more`] : counts
  return failures.length === 0 ? shown : [...shown, "", ...failures.slice(0, Math.max(room - first - 1, 0))]
}

/** The lower table. */
const rowsOf = ({ errors, failures }: Snapshot) =>
  errors.length > 0 ?
    Output.rows(errorColumns, errors)
    : failures.length > 0 ?
    Output.rows(failureColumns, failures)
    : Effect.succeed([])

const render = Effect.fnUntraced(function*(snapshot: Snapshot, title: string, trouble: string | undefined) {
  const { counts } = snapshot
  const style = yield* Output.style
  const width = yield* Output.width
  const height = process.stdout.isTTY ? (yield* (yield* Terminal.Terminal).rows) - 1 : Infinity
  const head = [style.bold(cut(title, width)), trouble === undefined ? "" : style.red(cut(trouble, width))]
  const stats = counts.length === 0 ? ["No tasks"] : yield* Output.rows(statsColumns, toStats(counts))
  return [...head, ...fit(stats, yield* rowsOf(snapshot), height - head.length)]
})

/** Looks again and again, and calls `onLook` with what it finds, or with the error. */
const lookForever = <R>(
  options: Options,
  onLook: (found: Result.Result<Snapshot, LookError>) => Effect.Effect<void, never, R>
) =>
  Effect.forever(Effect.gen(function*() {
    const [took, found] = yield* Effect.timed(Effect.result(look(options)))
    yield* onLook(found)
    yield* Effect.sleep(Duration.max(options.interval, Duration.times(took, lookShare)))
  }))

/** An error in JSON. The last snapshot is not printed again: it would look like a new one. */
const jsonTrouble = (message: string) => Output.note(stringify({ error: { message } }))

/** Draws until it is interrupted. If the database goes away later, it waits; if the first look fails, it fails. */
export const dashboard = Effect.fnUntraced(function*(options: Options) {
  const json = yield* Json
  const where = yield* databaseName
  const { size } = yield* Terminal.Terminal
  let snapshot = yield* look(options)
  let trouble: string | undefined
  const live = !json && process.stdout.isTTY
  const screen = live ? yield* Screen.open : Screen.plain
  const draw = Effect.gen(function*() {
    const now = yield* DateTime.now
    if (json) {
      return yield* trouble === undefined
        ? Output.jsonLine(encode(snapshot, options, now))
        : jsonTrouble(trouble)
    }
    const title = `${where}  ${DateTime.formatIso(now).slice(11, 19)}  every ${
      Duration.format(options.interval)
    }, Ctrl-C ends`
    yield* screen.draw(yield* render(snapshot, title, trouble))
  })
  if (live) {
    yield* Effect.forkScoped(Effect.flatMap(size, (sizes) => Effect.forever(Effect.andThen(Queue.take(sizes), draw))))
  }
  yield* lookForever(options, (found) => {
    trouble = Result.isFailure(found) ? report(found.failure).message : undefined
    snapshot = Result.getOrElse(found, () => snapshot)
    return draw
  })
}, Effect.scoped)

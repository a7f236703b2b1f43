/** One task, watched to its end. */
import * as Console from "effect/Console"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Admin from "../../Admin.ts"
import { TaskId } from "../../TaskId.ts"
import { limits, within } from "../connection.ts"
import { Parked } from "../exit.ts"
import { Json } from "../input/flags.ts"
import * as Output from "../output/print.ts"
import { detailOf, paintStatus, readAt } from "../output/rowTable.ts"
import { self } from "../output/ownCommand.ts"
import { oneLine, pad } from "../output/text.ts"

/** A line is printed when one of these changes. */
const mark = (row: Admin.Row) => [row.status, row.transitions, row.tried, row.raw].join(" ")

const clock = (moment: DateTime.Utc) => DateTime.formatIso(moment).slice(11, 19)

const line = (row: Admin.Row, style: Output.Style) =>
  [
    style.dim(clock(readAt(row))),
    paintStatus(style)(pad(row.status, "scheduled".length, "left"), row),
    `${oneLine(row.task ?? "?")}.${oneLine(row.step ?? "?")}`,
    detailOf(row)
  ].join("  ")

const print = Effect.fnUntraced(function*(row: Admin.Row) {
  if (yield* Json) return yield* Output.jsonLine(Schema.encodeSync(Admin.Row)(row))
  yield* Console.log(line(row, yield* Output.style))
})

const printGone = Effect.fnUntraced(function*(id: string) {
  yield* (yield* Json)
    ? Output.jsonLine({ id, status: "gone" })
    : Console.log(`${id} is gone: it has finished, or was cancelled`)
})

const isTaskId = Schema.is(TaskId)

/**
 * Undefined: a task with this whole id is gone already, perhaps soon after it was enqueued. A part of an id must be
 * found.
 */
const findId = (given: string) =>
  within(limits.read)(Admin.findId(given)).pipe(
    Effect.catchTag("TaskNotFoundError", (error) => isTaskId(given) ? Effect.succeed(undefined) : Effect.fail(error))
  )

/** Prints a line for every change, until the task is parked, ended or gone. */
export const follow = Effect.fnUntraced(function*(given: string, interval: Duration.Duration) {
  const id = yield* findId(given)
  if (id === undefined) return yield* printGone(given)
  let last = ""
  for (;;) {
    const row = yield* within(limits.read)(Admin.get(id)).pipe(
      Effect.catchTag("TaskNotFoundError", () => Effect.succeed(undefined))
    )
    if (row === undefined) break
    if (mark(row) !== last) yield* print(row)
    if (row.status === "parked") {
      return yield* new Parked({ message: `${id} is parked: ${self(`show ${id.slice(0, 8)}`)}` })
    }
    if (row.status === "ended") return
    last = mark(row)
    yield* Effect.sleep(interval)
  }
  yield* printGone(id)
})

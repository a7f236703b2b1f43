import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Admin from "../../Admin.ts"
import type { Enqueued } from "../../Task.ts"
import type { TaskId } from "../../TaskId.ts"
import { connected, limits, within } from "../connection.ts"
import { UsageError } from "../exit.ts"
import { dateTime, duration, Json, onConflict, optional, optionalModule } from "../input/flags.ts"
import * as Output from "../output/print.ts"
import { self } from "../output/ownCommand.ts"
import { fieldsOf } from "../output/rowTable.ts"
import { oneLine } from "../output/text.ts"
import { checkWith } from "../input/tasksModule.ts"

/** The text of the `step` column, which is given as a whole or in parts. */
const rawOf = (task: string, state: Option.Option<string>, fields: Option.Option<string>) => {
  if (Option.isNone(state)) {
    return task.trim().startsWith("{")
      ? Effect.succeed(task.trim())
      : new UsageError({ message: `Which state? ${self(`enqueue ${task} State '{…fields}'`)}` })
  }
  const given = Option.getOrElse(fields, () => "{}")
  return Effect.try({
    try: () => {
      JSON.parse(given)
      // The text is not parsed and printed again: that would change numbers that JavaScript can't hold.
      return `{${JSON.stringify(task)}:{${JSON.stringify(state.value)}:${given}}}`
    },
    catch: (error) => new UsageError({ message: `The fields are not JSON: ${(error as Error).message}` })
  })
}

/** With a key the row may have been there before. */
const noteTaken = (stored: TaskId | Enqueued, isReplaced: boolean) => {
  if (typeof stored === "string" || stored.created) return Effect.void
  const done = isReplaced ? "that task gets the new state" : "nothing was stored"
  return Output.note(`The key is taken: ${done}. The task that has it is ${stored.status}`)
}

/** Says the id at once: whoever interrupts the wait may want it. */
const printResult = Effect.fnUntraced(function*(stored: TaskId | Enqueued, isReplaced: boolean) {
  const id = typeof stored === "string" ? stored : stored.id
  yield* noteTaken(stored, isReplaced)
  yield* Output.note(id)
  const row = yield* Admin.awaitEnd(id)
  yield* (yield* Json)
    ? Output.json(Schema.encodeSync(Admin.Row)(row))
    : Console.log(`${oneLine(row.step ?? "?")} ${oneLine(fieldsOf(row))}`)
})

const print = Effect.fnUntraced(function*(stored: TaskId | Enqueued, isReplaced: boolean) {
  const json = yield* Json
  if (typeof stored === "string") return yield* json ? Output.json({ id: stored }) : Console.log(stored)
  if (json) return yield* Output.json(stored)
  yield* noteTaken(stored, isReplaced)
  yield* Console.log(stored.id)
})

export const enqueue = Command.make(
  "enqueue",
  {
    task: Argument.String("task").pipe(
      Argument.withDescription("The task's name; or all of it as JSON: {\"Task\":{\"State\":{…fields}}}")
    ),
    state: Argument.String("state").pipe(Argument.withDescription("The tag of its first state"), Argument.optional),
    fields: Argument.String("fields").pipe(
      Argument.withDescription("The fields of that state, as JSON. Default {}"),
      Argument.optional
    ),
    delay: optional(duration("delay").pipe(Flag.withDescription("Due this long from now. Default: at once"))),
    at: optional(dateTime("at").pipe(Flag.withDescription("Due at this time"))),
    key: optional(
      Flag.String("key").pipe(Flag.withAlias("k"), Flag.withDescription("Only one row of a task can have it"))
    ),
    onConflict,
    wait: Flag.Boolean("wait").pipe(
      Flag.withDescription("Wait until it has ended, and print its final state"),
      Flag.withDefault(false)
    ),
    module: optionalModule
  },
  Effect.fnUntraced(function*({ at, delay, fields, key, module, onConflict, state, task, wait }) {
    if (at !== undefined && delay !== undefined) {
      return yield* new UsageError({ message: "Give --delay or --at, not both" })
    }
    if (onConflict !== undefined && key === undefined) {
      return yield* new UsageError({ message: "--on-conflict says what happens if a key is taken: give a --key, too" })
    }
    const raw = yield* rawOf(task, state, fields)
    const parsed = yield* Admin.parse(raw)
    if (module !== undefined) yield* checkWith(module, parsed.task, raw)
    const stored = within(limits.read)(Admin.enqueueRaw(raw, { at, delay, key, onConflict }))
    const isReplaced = onConflict !== undefined && onConflict !== "keep"
    if (wait) return yield* connected(Effect.flatMap(stored, (one) => printResult(one, isReplaced)))
    yield* print(yield* connected(stored), isReplaced)
  })
).pipe(
  Command.withDescription("Store a new task, and print its id. With --module, its schema checks it"),
  Command.withExamples([
    { command: `pg-task enqueue Greeter ReadName '{"filename":"name.txt"}'`, description: "Due at once" },
    { command: `pg-task enqueue '{"Greeter":{"ReadName":{"filename":"name.txt"}}}' --delay 1h`, description: "Later" },
    { command: `pg-task enqueue Reindex Start --key products`, description: "Not twice at the same time" },
    { command: `pg-task enqueue Adder Add '{"a":1,"b":2}' --wait`, description: "What it comes to" }
  ])
)

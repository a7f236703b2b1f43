/**
 * `npm run delay`: three tasks sleep for 3, 1 and 2 seconds at the same time, though the worker runs one step at a time.
 * A task that sleeps is a row that waits: it holds no fiber, and no restart wakes it or makes it oversleep.
 */
import { Console, Effect, Schema } from "effect"
import { Migrations, NextStep, Step, Task, Worker } from "effect-pg-task"
import { main } from "./support/database.ts"
import { LinesLive } from "./support/lines.ts"
import { rowsOf, untilDone } from "./support/rows.ts"

class FallAsleep extends Schema.TaggedClass<FallAsleep>()("FallAsleep", { seconds: Schema.Number }) {}
class WakeUp extends Schema.TaggedClass<WakeUp>()("WakeUp", { seconds: Schema.Number }) {}

const fallAsleep = Step.make(FallAsleep, {
  next: [WakeUp],
  handler: ({ seconds }) =>
    Console.log(`Sleeping for ${seconds} s`).pipe(
      Effect.as(NextStep.delay(new WakeUp({ seconds }), `${seconds} seconds`))
    )
})

const wakeUp = Step.make(WakeUp, {
  handler: ({ seconds }) => Console.log(`Woke up after ${seconds} s`).pipe(Effect.as(NextStep.none))
})

const Sleeper = Task.make("Sleeper", [fallAsleep, wakeUp])

const program = Effect.gen(function*() {
  yield* Migrations.run
  const earlier = yield* rowsOf(Sleeper.name)
  if (earlier.length > 0) yield* Console.log(`An earlier run left ${earlier.length} asleep: they wake up, too.`)
  yield* Sleeper.enqueueAll([3, 1, 2].map((seconds) => new FallAsleep({ seconds })))
  yield* Console.log("Stop with Ctrl-C and start again: nobody oversleeps.\n")
  yield* Worker.run({ tasks: [Sleeper], concurrency: 1 }).pipe(Effect.raceFirst(untilDone(Sleeper.name)))
  yield* Console.log(
    "\nAll are awake, and no row is left. What it looks like in between: npm run sql -- \"table pg_task\""
  )
})

main(program.pipe(Effect.provide(LinesLive)))

/**
 * `npm run counter`: one task that counts to 1,000, one step and one commit at a time. Kill it at 500, and the next run
 * goes on from 500.
 */
import { Console, DateTime, Duration, Effect, Schema } from "effect"
import { Migrations, NextStep, Step, Task, Worker } from "effect-pg-task"
import { main } from "./support/database.ts"
import { LinesLive } from "./support/lines.ts"
import { rowsOf, untilDone } from "./support/rows.ts"

class Start extends Schema.TaggedClass<Start>()("Start", { upTo: Schema.Number }) {}
class Proceed extends Schema.TaggedClass<Proceed>()("Proceed", {
  upTo: Schema.Number,
  count: Schema.Number,
  startedAt: Schema.DateTimeUtcFromString
}) {}
class Finish extends Schema.TaggedClass<Finish>()("Finish", {
  upTo: Schema.Number,
  startedAt: Schema.DateTimeUtcFromString
}) {}

const start = Step.make(Start, {
  next: [Proceed],
  handler: Effect.fnUntraced(function*({ upTo }) {
    yield* Console.log(`1..${upTo}: start`)
    return NextStep.now(new Proceed({ upTo, count: 0, startedAt: yield* DateTime.now }))
  })
})

const proceed = Step.make(Proceed, {
  next: [Proceed, Finish],
  retryLimit: 5,
  handler: ({ count, startedAt, upTo }) =>
    Effect.succeed(
      count + 1 < upTo
        ? NextStep.now(new Proceed({ upTo, count: count + 1, startedAt }))
        : NextStep.now(new Finish({ upTo, startedAt }))
    )
})

const finish = Step.make(Finish, {
  handler: Effect.fnUntraced(function*({ startedAt, upTo }) {
    const took = Duration.toSeconds(DateTime.distance(startedAt, yield* DateTime.now))
    yield* Console.log(`1..${upTo}: done in ${took.toFixed(2)} s, ${Math.round(upTo / took)} steps per second`)
    return NextStep.none
  })
})

const Count = Task.make("Count", [start, proceed, finish])

const program = Effect.gen(function*() {
  yield* Migrations.run
  const earlier = yield* rowsOf(Count.name)
  if (earlier.length > 0) {
    yield* Console.log("An earlier run was cut short. Its counter goes on, within the 30 s of its lease.")
  }
  yield* Count.enqueue(new Start({ upTo: 1000 }))
  yield* Worker.run({ tasks: [Count] }).pipe(Effect.raceFirst(untilDone(Count.name)))
})

main(program.pipe(Effect.provide(LinesLive)))

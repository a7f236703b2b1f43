/**
 * `npm run recurring`: two workers look after one schedule, which ticks every second. Each tick starts a report once.
 */
import { Console, DateTime, Deferred, Effect, Schema } from "effect"
import { Migrations, NextStep, Recurring, Step, Task, Worker } from "effect-pg-task"
import { main } from "./support/database.ts"
import { LinesLive } from "./support/lines.ts"

class Build extends Schema.TaggedClass<Build>()("Build", { second: Schema.String }) {}

const program = Effect.gen(function*() {
  yield* Migrations.run
  const done = yield* Deferred.make<void>()
  let count = 0
  const Report = Task.make("Report", [
    Step.make(Build, {
      handler: Effect.fnUntraced(function*({ second }) {
        yield* Console.log(`Report of ${second}`)
        if (++count === 3) yield* Deferred.succeed(done, undefined)
        return NextStep.none
      })
    })
  ])
  const Secondly = Recurring.make("every-second", {
    cron: "* * * * * *",
    timeZone: "Europe/Berlin",
    task: Report,
    state: ({ date }) => new Build({ second: DateTime.formatIso(date) })
  })
  yield* Worker.make({ tasks: [Report, Secondly] })
  yield* Worker.make({ tasks: [Report, Secondly] })
  yield* Deferred.await(done)
})

main(Effect.scoped(program).pipe(Effect.provide(LinesLive)))

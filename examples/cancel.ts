/**
 * `npm run cancel`: a person changes their mind. `Admin.cancel` deletes the task, and the step that runs it is
 * interrupted at once, wherever its worker is. The step's finalizers run, as for any interrupted fiber.
 */
import { Console, Deferred, Effect, Schema } from "effect"
import { Admin, Migrations, NextStep, Step, Task, Worker } from "effect-pg-task"
import { main } from "./support/database.ts"
import { LinesLive } from "./support/lines.ts"
import { untilDone } from "./support/rows.ts"

class Render extends Schema.TaggedClass<Render>()("Render", { film: Schema.String }) {}

const program = Effect.gen(function*() {
  const started = yield* Deferred.make<void>()
  const cleaned = yield* Deferred.make<void>()

  const render = Step.make(Render, {
    handler: ({ film }) =>
      Console.log(`Rendering ${film}, which takes a day`).pipe(
        Effect.andThen(Deferred.succeed(started, undefined)),
        Effect.andThen(Effect.sleep("1 day")),
        Effect.onInterrupt(() =>
          Console.log("Interrupted: removing the half of the film that is there").pipe(
            Effect.andThen(Deferred.succeed(cleaned, undefined))
          )
        ),
        Effect.as(NextStep.none)
      )
  })
  const Film = Task.make("Film", [render])

  const changeOfMind = Effect.gen(function*() {
    const id = yield* Film.enqueue(new Render({ film: "Metropolis" }))
    yield* Deferred.await(started)
    yield* Admin.cancel(id)
    yield* Console.log("Cancelled")
    yield* Deferred.await(cleaned)
    yield* untilDone(Film.name)
    yield* Console.log("No row is left, and nothing is tried again")
  })

  yield* Migrations.run
  yield* Worker.run({ tasks: [Film] }).pipe(Effect.raceFirst(changeOfMind))
})

main(program.pipe(Effect.provide(LinesLive)))

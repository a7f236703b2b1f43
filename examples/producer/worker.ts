/**
 * `npm run producer:worker`: the worker program. It imports the declaration and adds the steps. It runs until it is
 * told to stop.
 */
import { Console, Effect } from "effect"
import { Migrations, NextStep, Step, Task, Worker } from "effect-pg-task"
import { main } from "../support/database.ts"
import { LinesLive } from "../support/lines.ts"
import { Publish, Shrink, Thumbnail } from "./thumbnail.ts"

const shrink = Step.make(Shrink, {
  next: [Publish],
  handler: ({ photo }) => Console.log(`Worker: shrinks ${photo}`).pipe(Effect.as(NextStep.now(new Publish({ photo }))))
})

const publish = Step.make(Publish, {
  handler: ({ photo }) => Console.log(`Worker: publishes ${photo}`).pipe(Effect.as(NextStep.none))
})

const ThumbnailTask = Task.make(Thumbnail, [shrink, publish])

const program = Effect.andThen(Migrations.run, Worker.run({ tasks: [ThumbnailTask] }))

main(program.pipe(Effect.provide(LinesLive)))

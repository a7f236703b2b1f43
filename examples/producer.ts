/**
 * `npm run producer`: a program that enqueues tasks without their handlers. It imports only the declaration,
 * `producer/thumbnail.ts`. The steps are in a program of their own, `producer/worker.ts`, which this one starts as
 * another process, to keep the example to one command. You may as well run it yourself: `npm run producer:worker`.
 */
import { Console, Effect } from "effect"
import { Migrations } from "effect-pg-task"
import { main } from "./support/database.ts"
import { startProgram } from "./support/program.ts"
import { untilDone } from "./support/rows.ts"
import { Shrink, Thumbnail } from "./producer/thumbnail.ts"

const program = Effect.gen(function*() {
  yield* Migrations.run
  yield* Thumbnail.enqueue(new Shrink({ photo: "cat.jpg" }))
  yield* Thumbnail.enqueue(new Shrink({ photo: "dog.jpg" }), { delay: "1 second" })
  yield* Console.log("Producer: stored 2 tasks, and loaded no handler")
  yield* startProgram("producer/worker.ts")
  yield* untilDone(Thumbnail.name)
  yield* Console.log("Producer: the worker has done both")
})

main(Effect.scoped(program))

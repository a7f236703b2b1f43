/**
 * `npm run tutorial`: a task that fails, is looked at, repaired, and goes on where it stopped. The README tells the story.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Console, Effect, FileSystem, Layer, Schema } from "effect"
import { Migrations, NextStep, Step, Task, Worker } from "effect-pg-task"
import { main } from "./support/database.ts"
import * as Guide from "./support/guide.ts"
import { LinesLive } from "./support/lines.ts"
import { rowsOf } from "./support/rows.ts"

class ReadName extends Schema.TaggedClass<ReadName>()("ReadName", { filename: Schema.String }) {}
class SayHello extends Schema.TaggedClass<SayHello>()("SayHello", { name: Schema.String }) {}

const readName = Step.make(ReadName, {
  next: [SayHello],
  retryLimit: 5,
  retryDelay: "1 second",
  handler: Effect.fnUntraced(function*({ filename }) {
    const fs = yield* FileSystem.FileSystem
    const name = yield* fs.readFileString(filename)
    return NextStep.now(new SayHello({ name: name.trim() }))
  })
})

const sayHello = Step.make(SayHello, {
  handler: ({ name }) => Console.log(`\nHello, ${name}`).pipe(Effect.as(NextStep.none))
})

const Greeter = Task.make("Greeter", [readName, sayHello])

const filename = "name.txt"

const program = Effect.gen(function*() {
  yield* Migrations.run
  const fs = yield* FileSystem.FileSystem
  const earlier = yield* rowsOf(Greeter.name)
  yield* Guide.begin(earlier, { name: filename, exists: yield* fs.exists(filename) })
  if (earlier.length === 0) yield* Greeter.enqueue(new ReadName({ filename }))
  yield* Effect.forkScoped(Guide.follow(Greeter.name, filename))
  yield* Worker.run({ tasks: [Greeter] })
})

main(program.pipe(Effect.scoped, Effect.provide(Layer.mergeAll(NodeFileSystem.layer, LinesLive))))

/**
 * `npm run album`: a task has children, one thumbnail for each picture, and goes on when all of them have ended. The
 * program waits for the album, as a web server would.
 */
import { Console, Effect, Schema } from "effect"
import { Migrations, NextStep, Step, Task, Worker } from "effect-pg-task"
import { main } from "./support/database.ts"
import { LinesLive } from "./support/lines.ts"

class Shrink extends Schema.TaggedClass<Shrink>()("Shrink", { picture: Schema.String }) {}
class Shrunk extends Schema.TaggedClass<Shrunk>()("Shrunk", { thumbnail: Schema.String }) {}

const Thumbnail = Task.declare("Thumbnail", { states: [Shrink], final: [Shrunk] })

const ThumbnailTask = Task.make(Thumbnail, [
  Step.make(Shrink, {
    next: [Shrunk],
    handler: ({ picture }) =>
      Console.log(`shrinks ${picture}`).pipe(
        Effect.as(NextStep.now(new Shrunk({ thumbnail: `${picture}.small` })))
      )
  }),
  Step.final(Shrunk)
])

class Open extends Schema.TaggedClass<Open>()("Open", { pictures: Schema.Array(Schema.String) }) {}
class Gather extends Schema.TaggedClass<Gather>()("Gather", { thumbnails: Schema.Array(Task.child(Thumbnail)) }) {}
class Album extends Schema.TaggedClass<Album>()("Album", { pages: Schema.Array(Schema.String) }) {}

const Albums = Task.make("Albums", [
  Step.make(Open, {
    next: [Gather],
    handler: ({ pictures }) =>
      Effect.succeed(NextStep.now(
        new Gather({ thumbnails: pictures.map((picture) => Thumbnail.child(new Shrink({ picture }))) })
      ))
  }),
  Step.wait(Gather, (on) => [
    on.children({
      next: [Album],
      handler: (_, { thumbnails }) =>
        Effect.succeed(NextStep.now(new Album({ pages: thumbnails.map(({ thumbnail }) => thumbnail) })))
    })
  ]),
  Step.final(Album, { keep: "1 day" })
], { entry: [Open] })

const program = Effect.gen(function*() {
  const album = yield* Albums.execute(new Open({ pictures: ["cat", "dog", "owl"] }))
  yield* Console.log(`The album: ${album.pages.join(", ")}`)
})

main(
  Effect.andThen(Migrations.run, program.pipe(Effect.provide(Worker.layer({ tasks: [Albums, ThumbnailTask] })))).pipe(
    Effect.provide(LinesLive)
  )
)

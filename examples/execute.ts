/**
 * `npm run execute`: an HTTP endpoint that executes a task, and answers with its result. The worker may be in another
 * process. Requests for the same photo share one task, also if one comes later: so a request that was cut off is simply
 * sent again.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Console, Effect, Layer, Schema } from "effect"
import {
  FetchHttpClient,
  HttpClient,
  HttpClientRequest,
  HttpRouter,
  HttpServer,
  HttpServerRequest,
  HttpServerResponse
} from "effect/http"
import { Migrations, NextStep, Step, Task, Worker } from "effect-pg-task"
import { createServer } from "node:http"
import { main } from "./support/database.ts"
import { LinesLive } from "./support/lines.ts"

class Shrink extends Schema.TaggedClass<Shrink>()("Shrink", { photo: Schema.String }) {}
class Shrunk extends Schema.TaggedClass<Shrunk>()("Shrunk", { thumbnail: Schema.String }) {}
class NoPhoto extends Schema.TaggedClass<NoPhoto>()("NoPhoto", { why: Schema.String }) {}

const Thumbnail = Task.make("Thumbnail", [
  Step.make(Shrink, {
    next: [Shrunk, NoPhoto],
    handler: Effect.fnUntraced(function*({ photo }) {
      yield* Console.log(`The worker looks at ${photo}`)
      return photo.endsWith(".jpg")
        ? NextStep.now(new Shrunk({ thumbnail: photo.replace(".jpg", ".small.jpg") }))
        : NextStep.now(new NoPhoto({ why: `${photo} is no photo` }))
    })
  }),
  // For an hour, the same photo is not shrunk again.
  Step.final(Shrunk, { keep: "1 hour" }),
  Step.final(NoPhoto, { keep: "1 hour" })
])

/** The body of `POST /thumbnails`. */
const Upload = Schema.Struct({ photo: Schema.String })

/** If it takes too long, the client asks again: the key leads it to the task that is there already. */
const tooSlow = HttpServerResponse.json({ retry: "in a few seconds" }, { status: 202 })

const Routes = HttpRouter.add(
  "POST",
  "/thumbnails",
  Effect.gen(function*() {
    const { photo } = yield* HttpServerRequest.schemaBodyJson(Upload)
    const result = yield* Thumbnail.execute(new Shrink({ photo }), { key: photo })
    return yield* result._tag === "Shrunk"
      ? HttpServerResponse.json({ thumbnail: result.thumbnail })
      : HttpServerResponse.json({ why: result.why }, { status: 422 })
  }).pipe(
    Effect.timeoutOrElse({ duration: "20 seconds", orElse: () => tooSlow }),
    // Parked: it has failed for good, and somebody has to look at it.
    Effect.catchTag("TaskParkedError", ({ id }) => HttpServerResponse.json({ parked: id }, { status: 503 }))
  )
)

const ServerLive = HttpRouter.serve(Routes, { disableLogger: true, disableListenLog: true }).pipe(
  Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
  Layer.provide(Worker.layer({ tasks: [Thumbnail] })),
  Layer.provide(Migrations.layer)
)

/** What a browser would do. */
const post = Effect.fnUntraced(function*(photo: string) {
  const { address } = yield* HttpServer.HttpServer
  const client = yield* HttpClient.HttpClient
  const url = `${HttpServer.formatAddress(address)}/thumbnails`
  const answer = yield* client.execute(yield* HttpClientRequest.bodyJson(HttpClientRequest.post(url), { photo }))
  yield* Console.log(`${photo}: ${answer.status} ${yield* answer.text}`)
})

const visit = Effect.gen(function*() {
  yield* Effect.all([post("cat.jpg"), post("cat.jpg"), post("notes.txt")], { concurrency: "unbounded" })
  yield* post("cat.jpg")
})

main(visit.pipe(Effect.provide(ServerLive), Effect.provide(FetchHttpClient.layer), Effect.provide(LinesLive)))

/**
 * `npm run http`: a worker inside an HTTP server, in one process. A request stores a task and is answered at once; the
 * worker beside it does the slow part. The example sends its own request, and ends when the work is done.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Console, Deferred, Effect, Layer, Schema } from "effect"
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

class Resize extends Schema.TaggedClass<Resize>()("Resize", { photo: Schema.String }) {}

const resized = Deferred.makeUnsafe<void>()

const resize = Step.make(Resize, {
  handler: ({ photo }) =>
    Console.log(`The worker resizes ${photo}`).pipe(
      Effect.andThen(Deferred.succeed(resized, undefined)),
      Effect.as(NextStep.none)
    )
})

const Photo = Task.make("Photo", [resize])

/** The body of `POST /photos`. */
const Upload = Schema.Struct({ photo: Schema.String })

const Routes = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const worker = yield* Worker.Worker
  yield* router.add(
    "POST",
    "/photos",
    Effect.gen(function*() {
      const { photo } = yield* HttpServerRequest.schemaBodyJson(Upload)
      const id = yield* Photo.enqueue(new Resize({ photo }))
      return yield* HttpServerResponse.json({ id }, { status: 202 })
    })
  )
  yield* router.add(
    "GET",
    "/ready",
    Effect.flatMap(worker.health, ({ alive }) => HttpServerResponse.json({ alive }, { status: alive ? 200 : 503 }))
  )
}))

// Closed from below: first the server, which takes no more requests, then the worker, which ends its steps.
const ServerLive = HttpRouter.serve(Routes, { disableLogger: true, disableListenLog: true }).pipe(
  Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
  Layer.provide(Worker.layer({ tasks: [Photo], concurrency: 20 })),
  Layer.provide(Migrations.layer)
)

/** What a browser would do. */
const visit = Effect.gen(function*() {
  const { address } = yield* HttpServer.HttpServer
  const client = yield* HttpClient.HttpClient
  const origin = HttpServer.formatAddress(address)
  const ready = yield* client.get(`${origin}/ready`)
  yield* Console.log(`GET /ready: ${ready.status} ${yield* ready.text}`)
  const request = yield* HttpClientRequest.bodyJson(HttpClientRequest.post(`${origin}/photos`), { photo: "cat.jpg" })
  const accepted = yield* client.execute(request)
  yield* Console.log(`POST /photos: ${accepted.status}`)
  yield* Deferred.await(resized)
})

main(visit.pipe(Effect.provide(ServerLive), Effect.provide(FetchHttpClient.layer), Effect.provide(LinesLive)))

/**
 * `npm run telemetry`: a shop whose orders can be followed, with Effect's own exporters. Traces, metrics and logs go to
 * an OTLP collector (`OTEL_EXPORTER_OTLP_ENDPOINT`); Prometheus finds the metrics at `/metrics`, and probes find the
 * worker's health at `/ready`, both at `PORT`.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Config, Console, Effect, Layer, Schedule, Schema } from "effect"
import { FetchHttpClient, HttpMiddleware, HttpRouter, HttpServerResponse } from "effect/http"
import { Otlp, PrometheusMetrics } from "effect/observability"
import { Migrations, NextStep, Step, TableMetrics, Task, Worker } from "effect-pg-task"
import { createServer } from "node:http"
import { main } from "./support/database.ts"
import { LinesLive } from "./support/lines.ts"

class Charge extends Schema.TaggedClass<Charge>()("Charge", { order: Schema.Number }) {}
class Ship extends Schema.TaggedClass<Ship>()("Ship", { order: Schema.Number }) {}

// The payment service is away at each first try, and takes no 13: that order is parked.
const charge = Step.make(Charge, {
  next: [Ship],
  retryLimit: 1,
  retryDelay: "500 millis",
  handler: Effect.fnUntraced(function*({ order }) {
    const { attempt } = yield* Step.Context
    if (attempt === 1 || order === 13) return yield* Effect.fail(new Error("the payment service is away"))
    yield* Effect.sleep("20 millis").pipe(Effect.withSpan("call the payment service"))
    return NextStep.delay(new Ship({ order }), "1 second")
  })
})

const ship = Step.make(Ship, {
  handler: ({ order }) => Effect.logInfo(`Order ${order} is on its way`).pipe(Effect.as(NextStep.none))
})

const Order = Task.make("Order", [charge, ship])

// The trace begins in the shop, and goes on in whatever process runs the steps.
const checkout = Effect.fn("checkout")(function*(order: number) {
  yield* Effect.annotateCurrentSpan({ order })
  const id = yield* Order.enqueue(new Charge({ order }))
  yield* Effect.logInfo(`Order ${order} is task ${id}`)
})

const ExportersLive = Layer.unwrap(Effect.gen(function*() {
  const baseUrl = yield* Config.String("OTEL_EXPORTER_OTLP_ENDPOINT").pipe(Config.withDefault("http://localhost:4318"))
  return Otlp.layerJson({
    baseUrl,
    resource: { serviceName: "shop" },
    tracerExportInterval: "1 second",
    metricsExportInterval: "1 second",
    loggerExportInterval: "1 second"
  })
})).pipe(Layer.provide(FetchHttpClient.layer))

const Ready = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const worker = yield* Worker.Worker
  yield* router.add(
    "GET",
    "/ready",
    Effect.flatMap(worker.health, ({ alive }) => HttpServerResponse.json({ alive }, { status: alive ? 200 : 503 }))
  )
}))

const HttpLive = HttpRouter.serve(Layer.merge(Ready, PrometheusMetrics.layerHttp()), { disableLogger: true }).pipe(
  Layer.provide(NodeHttpServer.layerConfig(createServer, { port: Config.withDefault(Config.Port("PORT"), 9464) })),
  // Nobody wants a span of every scrape and every probe.
  Layer.provide(HttpMiddleware.layerTracerDisabledForUrls(["/ready", "/metrics"]))
)

// What is provided last starts first, and stops last: the exporters see everything.
const ShopLive = Layer.merge(HttpLive, TableMetrics.layer({ interval: "1 second" })).pipe(
  Layer.provide(Worker.layer({ tasks: [Order] })),
  Layer.provideMerge(ExportersLive),
  Layer.provideMerge(LinesLive),
  Layer.provide(Migrations.layer)
)

const program = Effect.gen(function*() {
  yield* Console.log("Look at /metrics and /ready meanwhile. Stop with Ctrl-C.\n")
  let order = 10
  yield* Effect.suspend(() => checkout(++order)).pipe(Effect.repeat(Schedule.spaced("1 second")))
})

main(program.pipe(Effect.provide(ShopLive)))

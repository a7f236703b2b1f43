/**
 * `npm run dashboard`: a shop that lives. Orders are charged, approved, packed and shipped; some fail and are tried
 * again, some are parked. Look at it in the browser, and help: edit what is parked, approve what waits.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Config, Console, Effect, Layer, Random, Schedule } from "effect"
import { HttpRouter } from "effect/http"
import { Admin, Migrations, Worker } from "effect-pg-task"
import * as Dashboard from "effect-pg-task/Dashboard"
import { createServer } from "node:http"
import { Newsletter, Order, Place, Write } from "./dashboard/shop.ts"
import { main } from "./support/database.ts"
import { LinesLive } from "./support/lines.ts"

const names = ["Ada", "Grace", "Edsger", "Barbara", "Alan", "Katherine", "Donald", "Radia"]

/** Somebody orders something. When much is parked already, nobody does: the shop is to stay easy to look at. */
const orderSomething = Effect.gen(function*() {
  if ((yield* Admin.count({ task: "Order" })) > 60) return
  const customer = names[yield* Random.nextIntBetween(0, names.length - 1)]!
  const number = yield* Random.nextIntBetween(1000, 9999)
  const total = yield* Random.nextIntBetween(5, 400)
  yield* Order.enqueue(new Place({ number, customer, total }))
})

/** One newsletter, which goes round for ever. */
const beginNewsletter = Effect.gen(function*() {
  if ((yield* Admin.count({ task: "Newsletter" })) === 0) yield* Newsletter.enqueue(new Write({ issue: 1 }))
})

const port = Config.Port("PORT").pipe(Config.withDefault(5480))

const PagesLive = HttpRouter.serve(
  // Whoever reaches this machine may do everything: in a program of yours, `access` asks your own login.
  Dashboard.layer({
    path: "/",
    tasks: [Order, Newsletter],
    access: Effect.succeed({ name: "you", may: "write" })
  }),
  { disableLogger: true, disableListenLog: true }
).pipe(
  Layer.provide(NodeHttpServer.layerConfig(createServer, {
    port,
    host: Config.succeed("127.0.0.1"),
    gracefulShutdownTimeout: Config.succeed("100 millis")
  }))
)

const ShopLive = PagesLive.pipe(
  Layer.provide(Worker.layer({ tasks: [Order, Newsletter], concurrency: 6 })),
  Layer.provideMerge(LinesLive),
  Layer.provide(Migrations.layer)
)

const program = Effect.gen(function*() {
  yield* Console.log(`\nThe shop is open: http://127.0.0.1:${yield* port}/  (Ctrl-C closes it)\n`)
  yield* beginNewsletter
  yield* Effect.repeat(orderSomething, Schedule.spaced("600 millis"))
})

main(program.pipe(Effect.provide(ShopLive)))

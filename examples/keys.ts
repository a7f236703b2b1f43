/**
 * `npm run keys`: a product changes again and again, but its page is built once, a second after the last change. While
 * it is built, further changes wait for their turn.
 */
import { Console, Effect, Schema } from "effect"
import { Migrations, NextStep, Step, Task, Worker } from "effect-pg-task"
import { main } from "./support/database.ts"
import { LinesLive } from "./support/lines.ts"
import { untilDone } from "./support/rows.ts"

class Build extends Schema.TaggedClass<Build>()("Build", { product: Schema.String, price: Schema.Number }) {}

const build = Step.make(Build, {
  handler: ({ price, product }) =>
    Console.log(`Built the page of ${product} for ${price}`).pipe(Effect.as(NextStep.none))
})

const Page = Task.make("Page", [build])

/** The wait begins anew with each change. */
const changed = (product: string, price: number) =>
  Page.enqueue(new Build({ product, price }), { key: product, onConflict: "debounce", delay: "1 second" })

const program = Effect.gen(function*() {
  yield* Migrations.run
  for (const price of [10, 11, 12]) {
    const { created } = yield* changed("tea", price)
    yield* Console.log(`Tea costs ${price}: ${created ? "stored" : "replaced"}`)
  }
  yield* changed("coffee", 20)
  yield* Worker.run({ tasks: [Page] }).pipe(Effect.raceFirst(untilDone(Page.name)))
})

main(program.pipe(Effect.provide(LinesLive)))

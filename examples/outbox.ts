/**
 * `npm run outbox`: a transactional outbox. An order and the mail about it are stored in one transaction: both, or
 * neither. The worker sends a mail only for orders that were committed, and each committed order gets its mail.
 */
import { Console, Effect, Schema } from "effect"
import { Migrations, NextStep, Step, Task, Worker } from "effect-pg-task"
import { SqlClient } from "effect/sql"
import { main } from "./support/database.ts"
import { LinesLive } from "./support/lines.ts"
import { untilDone } from "./support/rows.ts"

class Confirm extends Schema.TaggedClass<Confirm>()("Confirm", { order: Schema.String }) {}

const confirm = Step.make(Confirm, {
  handler: ({ order }) => Console.log(`Mail: your order of ${order} is confirmed`).pipe(Effect.as(NextStep.none))
})

const Mail = Task.make("Mail", [confirm])

class OutOfStock extends Schema.TaggedError<OutOfStock>()("OutOfStock", { order: Schema.String }) {}

/** Stores the order and enqueues its mail, in one transaction. */
const placeOrder = Effect.fnUntraced(function*(order: string) {
  const sql = yield* SqlClient.SqlClient
  yield* sql.withTransaction(Effect.gen(function*() {
    yield* sql`insert into orders (name) values (${order})`
    yield* Mail.enqueue(new Confirm({ order }))
    if (order === "unicorns") return yield* new OutOfStock({ order })
  }))
})

const program = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* Migrations.run
  yield* sql`create table if not exists orders (name text)`
  yield* sql`truncate orders`
  yield* placeOrder("apples")
  yield* placeOrder("unicorns").pipe(
    Effect.catchTag("OutOfStock", () => Console.log("Rolled back: no unicorns in stock, so no mail either"))
  )
  yield* placeOrder("pears")
  yield* Worker.run({ tasks: [Mail], concurrency: 1 }).pipe(Effect.raceFirst(untilDone(Mail.name)))
  const orders = yield* sql<{ name: string }>`select name from orders order by name`
  yield* Console.log(`Orders in the database: ${orders.map(({ name }) => name).join(", ")}`)
})

main(program.pipe(Effect.provide(LinesLive)))

/**
 * `npm run retry`: the error decides whether a step is tried again. A bank that is busy is asked again until it answers.
 * A card that was declined would be declined again: its task is parked at once, after one try.
 *
 * The schedule takes any error and looks at its tag. So it still fits after `commit` has added the errors of SQL: those
 * are not in the list below, and park the task, too.
 */
import { Console, Effect, Predicate, Schedule, Schema } from "effect"
import { Migrations, NextStep, Step, Task, Worker } from "effect-pg-task"
import { SqlClient } from "effect/sql"
import { main } from "./support/database.ts"
import { LinesLive } from "./support/lines.ts"
import { rowsOf, watch } from "./support/rows.ts"

class Busy extends Schema.TaggedError<Busy>()("Busy", {}) {}
class Declined extends Schema.TaggedError<Declined>()("Declined", { card: Schema.String }) {}

/** A bank that is busy twice, and declines one card. */
const charge = (card: string, attempt: number): Effect.Effect<void, Busy | Declined> => {
  if (card === "expired") return Effect.fail(new Declined({ card }))
  return attempt <= 2 ? Effect.fail(new Busy()) : Effect.void
}

class Pay extends Schema.TaggedClass<Pay>()("Pay", { card: Schema.String }) {}

const pay = Step.make(Pay, {
  // 0.2 s, 0.4 s, 0.8 s, …, up to eight times, and only while the bank is busy
  retry: Schedule.exponential("200 millis").pipe(
    Schedule.upTo({ times: 8 }),
    Schedule.while(({ input }) => Predicate.isTagged(input, "Busy"))
  ),
  handler: Effect.fnUntraced(function*({ card }) {
    const sql = yield* SqlClient.SqlClient
    const { attempt } = yield* Step.Context
    yield* Console.log(`Charging the ${card} card, try ${attempt}`)
    yield* charge(card, attempt)
    return NextStep.noneWith({ commit: sql`insert into receipts (card) values (${card})` })
  })
})

const Payment = Task.make("Payment", [pay])

const program = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* Migrations.run
  yield* sql`create table if not exists receipts (card text)`
  yield* sql`truncate receipts`
  yield* sql`delete from pg_task where task = ${Payment.name}` // what an earlier run has parked
  yield* Payment.enqueueAll(["expired", "good"].map((card) => new Pay({ card })))
  const settled = watch(Payment.name, (rows) => Effect.succeed(rows.every(({ error }) => error !== null)))
  yield* Worker.run({ tasks: [Payment], concurrency: 1 }).pipe(Effect.raceFirst(settled))
  const receipts = yield* sql<{ card: string }>`select card from receipts`
  yield* Console.log(`\nReceipts: ${receipts.map(({ card }) => card).join(", ")}`)
  for (const { error, tried } of yield* rowsOf(Payment.name)) {
    yield* Console.log(`Parked after ${tried} try: ${error}`)
  }
})

main(program.pipe(Effect.provide(LinesLive)))

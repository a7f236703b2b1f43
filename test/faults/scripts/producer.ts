/**
 * A process that enqueues its share of the plans, each in its own way, while the database comes and goes.
 *
 * Its arguments: its number, and how many milliseconds it rests after each. `DATABASE_URL` says where the database is.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { EnqueueError } from "../../../src/TaskError.ts"
import { beginning, makeJourney } from "../PlannedTask.ts"
import { produceJoins } from "../joins/JoinProducer.ts"
import { makeNotes, persist } from "../EffectTables.ts"
import { batchesOf, call, callAll, isKeyed, type KeyedPlan } from "../keys/KeyCalls.ts"
import { Plan } from "../Plan.ts"

const [producer, rest] = process.argv.slice(2) as [string, string]
const url = process.env["DATABASE_URL"]!

/** A ROLLBACK on a connection that is gone is a defect to `withTransaction`. */
const withDefects = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.catchDefect(effect, (defect) => Effect.fail(defect))

/** A transaction that is rolled back on purpose. */
class RolledBack extends Data.TaggedError("RolledBack") {}

/** As a person might write it: with spaces, and with an escape in the name. */
const spelledOut = ({ id, ops, task }: Plan): string => {
  const { _tag, ...fields } = beginning(id, ops)
  return JSON.stringify({ [task]: { [_tag]: fields } }, null, 1).replace("\"J", "\"\\u004a")
}

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Plan))

const produce = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const notes = makeNotes(sql, "producer")
  const tasks = {
    Journey: makeJourney("Journey", notes),
    Errand: makeJourney("Errand", notes),
    Keyed: makeJourney("Keyed", notes)
  }
  const enqueue = (plan: Plan): Effect.Effect<unknown, EnqueueError, SqlClient.SqlClient> =>
    isKeyed(plan) ? call(tasks.Keyed, sql, plan) : tasks[plan.task].enqueue(beginning(plan.id, plan.ops))

  /** Whatever happens on the way, `insert` is done exactly once: its note is in the same transaction. */
  const together = <E>(plan: Plan, insert: Effect.Effect<unknown, E, SqlClient.SqlClient>) =>
    sql.withTransaction(
      Effect.flatMap(
        sql`insert into enqueued values (${plan.id}) on conflict do nothing returning plan`,
        (rows) => rows.length === 0 ? Effect.void : insert
      )
    ).pipe(withDefects, Effect.retry(Schedule.spaced("100 millis")))

  /** Fails with `RolledBack` if it came that far. */
  const rollback = <E, R>(insert: Effect.Effect<unknown, E, R>) =>
    sql.withTransaction(Effect.andThen(insert, Effect.fail(new RolledBack())))

  const caught = <E, R>(rolledBack: Effect.Effect<never, E | RolledBack, R>) =>
    rolledBack.pipe(Effect.catch((error) => error instanceof RolledBack ? Effect.void : Effect.fail(error)))

  /** Sends once. `sent` tells whether it is known to have arrived. */
  const once = <E, R>(plans: ReadonlyArray<Plan>, insert: Effect.Effect<unknown, E, R>) =>
    Effect.gen(function*() {
      const note = (sure: boolean) =>
        Effect.forEach(plans, ({ id }) =>
          persist(sql`insert into sent values (${id}, ${sure}) on conflict (plan) do update set sure = ${sure}`))
      yield* note(false)
      const sent = yield* Effect.isSuccess(Effect.asVoid(insert))
      if (sent) {
        yield* note(true)
      }
    })

  const one = (plan: Plan) => {
    const task = tasks[plan.task]
    const state = beginning(plan.id, plan.ops)
    switch (plan.how) {
      case "together":
        return together(plan, enqueue(plan))
      case "by hand":
        return together(plan, sql`insert into pg_task (step) values (${spelledOut(plan)})`)
      case "savepoint":
        return together(plan, Effect.andThen(enqueue(plan), caught(rollback(enqueue(plan)))))
      case "delayed":
        return together(plan, task.delay(state, 1000))
      case "scheduled":
        return Effect.flatMap(notes.fromNow(800), (at) => together(plan, task.schedule(state, DateTime.toUtc(at))))
      case "rolled back":
        return caught(rollback(enqueue(plan))).pipe(withDefects, Effect.retry(Schedule.spaced("100 millis")))
      case "direct":
      case "batch":
        return once([plan], enqueue(plan))
    }
  }

  const batches = (plans: ReadonlyArray<Plan>) =>
    Effect.forEach(["Journey", "Errand"] as const, (name) => {
      const some = plans.filter((plan) => plan.task === name && plan.how === "batch")
      return once(some, tasks[name].enqueueAll(some.map((plan) => beginning(plan.id, plan.ops))))
    })

  /** All of them, or none. */
  const keyedBatch = (plans: ReadonlyArray<KeyedPlan>) =>
    sql.withTransaction(
      Effect.flatMap(
        sql`insert into enqueued select unnest(${plans.map(({ id }) => id)}::text[])
          on conflict do nothing returning plan`,
        (rows) => rows.length === 0 ? Effect.void : callAll(tasks.Keyed, sql, plans)
      )
    ).pipe(withDefects, Effect.retry(Schedule.spaced("100 millis")))

  const rows = yield* persist(
    sql<{ content: string }>`select content from plan where producer = ${Number(producer)}::int`
  )
  const plans = rows.map(({ content }) => decode(content))
  const joins = yield* Effect.forkChild(produceJoins(Number(producer), { rest: Number(rest), late: false }))
  const keyed = plans.filter(isKeyed).filter(({ how }) => how === "batch")
  yield* Effect.all([
    Effect.forEach(
      plans.filter(({ how }) => how !== "batch"),
      (plan) => Effect.andThen(one(plan), Effect.sleep(plan.key?.rest ?? Number(rest))),
      { concurrency: 3 }
    ),
    Effect.forEach(
      batchesOf(keyed),
      (batch) => Effect.andThen(keyedBatch(batch), Effect.sleep(Number(rest)))
    )
  ], { concurrency: 2 })
  yield* batches(plans)
  yield* Fiber.join(joins)
}).pipe(
  Effect.provide(
    PgClient.layer({ url: Redacted.make(url), maxConnections: 5, applicationName: `producer ${producer}` })
  )
)

NodeRuntime.runMain(produce)

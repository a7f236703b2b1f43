/**
 * What children cost: as many of them as plain tasks, in one run, and parents that wait.
 *
 *   npm run bench:children -- [--children 100000] [--parents 100000] [--rounds 3]
 *
 * A plain task is the same one-step task, enqueued in bulk: it ends in a final state, too, and is kept as a result. All are
 * timed from before the enqueue until all has ended, on a worker that runs already. Children are stored with the move of
 * their parent, in one transaction, and none runs before its commit. Plain tasks are timed both ways: as each of ten calls
 * stores its part, and stored in one transaction.
 */
import { Duration, Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { parseArgs } from "node:util"
import { Migrations, NextStep, Step, Task, Worker } from "../../../src/index.ts"
import { findForgotten } from "../../../src/internal/sql/children.ts"
import { median } from "./Results.ts"
import { startServer } from "./Server.ts"
import { client, open } from "./subjects/support/effect.ts"

const { values } = parseArgs({
  options: {
    children: { type: "string", default: "100000" },
    parents: { type: "string", default: "100000" },
    rounds: { type: "string", default: "3" }
  }
})
const children = Number(values.children)
const parents = Number(values.parents)

class Work extends Schema.TaggedClass<Work>()("Work", { n: Schema.Number }) {}
class Done extends Schema.TaggedClass<Done>()("Done", { n: Schema.Number }) {}
const Child = Task.declare("Child", { states: [Work], final: [Done] })
const child = Task.make(Child, [
  Step.make(Work, { next: [Done], handler: ({ n }) => Effect.succeed(NextStep.now(new Done({ n }))) }),
  Step.final(Done)
])

class Begin extends Schema.TaggedClass<Begin>()("Begin", { count: Schema.Number }) {}
class Gather extends Schema.TaggedClass<Gather>()("Gather", { all: Schema.Array(Task.child(Child)) }) {}
class Total extends Schema.TaggedClass<Total>()("Total", { total: Schema.Number }) {}
const Parent = Task.declare("Parent", { states: [Begin, Gather], entry: [Begin], final: [Total] })
const parent = Task.make(Parent, [
  Step.make(Begin, {
    next: [Gather],
    handler: ({ count }) =>
      Effect.succeed(NextStep.now(
        new Gather({ all: Array.from({ length: count }, (_, n) => Child.child(new Work({ n }))) })
      ))
  }),
  Step.wait(Gather, (on) => [
    on.children({
      next: [Total],
      handler: (_, { all }) => Effect.succeed(NextStep.now(new Total({ total: all.length })))
    })
  ]),
  Step.final(Total)
])

/** How long it takes, in milliseconds. */
const timed = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.timed(effect), ([took]) => Duration.toMillis(took))

const untilEnded = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  while ((yield* sql`select from pg_task where ended_at is null limit 1`).length > 0) yield* Effect.sleep(20)
})

const chunk = 10_000

const enqueuePlain = Effect.gen(function*() {
  for (let start = 0; start < children; start += chunk) {
    yield* Child.enqueueAll(
      Array.from({ length: Math.min(chunk, children - start) }, (_, n) => new Work({ n: start + n }))
    )
  }
})

const plain = Effect.andThen(enqueuePlain, untilEnded)
const together = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql.withTransaction(enqueuePlain)
  yield* untilEnded
})

const family = Effect.andThen(Parent.enqueue(new Begin({ count: children })), untilEnded)

/** How often the row of the parent was written. */
const noteWrites = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`create table written (id uuid)`
  yield* sql.unsafe(`create function note_written() returns trigger language plpgsql as
    'begin insert into written values (new.id); return null; end'`)
  yield* sql.unsafe(`create trigger written after update on pg_task for each row
    when (new.task = 'Parent') execute function note_written()`)
})

const clear = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`truncate pg_task`
  yield* sql`select pg_task_make_room()`
  yield* sql`vacuum analyze pg_task`
  yield* sql`checkpoint`
})

const compare = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const times = { plain: [] as Array<number>, together: [] as Array<number>, family: [] as Array<number> }
  yield* noteWrites
  for (let round = 0; round < Number(values.rounds); round++) {
    yield* clear
    times.plain.push(yield* timed(plain))
    yield* clear
    times.together.push(yield* timed(together))
    yield* clear
    yield* sql`truncate written`
    times.family.push(yield* timed(family))
  }
  const [writes] = yield* sql<{ readonly count: number }>`select count(*)::int as count from written`
  const ofChildren = median(times.family)
  const beside = (others: ReadonlyArray<number>) =>
    `${median(others).toFixed(0)} ms (children: ${(ofChildren / median(others)).toFixed(2)} times)`
  yield* say(
    `${children} plain tasks ${beside(times.plain)}, in one transaction ${
      beside(times.together)
    }; ${children} children ${ofChildren.toFixed(0)} ms, their parent was written ${writes!.count} times`
  )
})

/** Parents that wait, each with a child that is open. */
const look = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* clear
  yield* sql.unsafe("alter table pg_task disable trigger user")
  yield* sql.unsafe(
    `with p as (
  insert into pg_task (step, task, state, waits_for, wakeup_at)
  select '{"Parent":{"Gather":{"all":[]}}}', 'Parent', 'Gather', '{$children}', 'infinity' from generate_series(1, $1::int)
  returning id
) insert into pg_task (step, task, state, parent, wakeup_at)
select '{"Other":{"Work":{"n":1}}}', 'Other', 'Work', id, now() + interval '1 day' from p`,
    [parents]
  )
  yield* sql.unsafe("alter table pg_task enable trigger user")
  yield* sql.unsafe("vacuum analyze pg_task")
  const times: Array<number> = []
  for (let n = 0; n < 5; n++) times.push(yield* timed(findForgotten(sql)))
  yield* say(`${parents} waiting parents: a look takes ${median(times).toFixed(0)} ms`)
})

const say = (line: string) => Effect.sync(() => console.log(line))

const server = await startServer()
const { url } = await server.fresh()
const worker = Worker.layer({ tasks: [child, parent], concurrency: 100 })
const { close, run } = await open(Layer.provideMerge(worker, Layer.provideMerge(Migrations.layer, client(url))))
await run(compare)
await run(look)
await close()
await server.close()
process.exit()

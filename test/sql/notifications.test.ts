import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Effect, Queue, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Step, Task } from "../../src/index.ts"
import { closed, Job, jobs, makeGate, start, startApart, workerTests } from "../support/worker/Fixture.ts"
import { gone, insert, parked, row, rows, run } from "../support/worker/Table.ts"
import { eventually, within } from "../support/worker/Wait.ts"

const step = `{"Greeter":{"ReadName":{"filename":"name.txt"}}}`
const insertOne = `insert into pg_task (step) values ('${step}')`

/** Hears what the table says, from now on. */
const listening = Effect.gen(function*() {
  const { listen } = yield* PgClient.PgClient
  const heard = yield* listen("pg_task_changed")
  return {
    /** Waits for one notification of the table. Workers also send probes, to themselves. */
    next: Effect.repeat(
      Effect.map(within(Queue.take(heard), "no notification"), ({ payload }) => payload),
      { until: (payload) => !payload.startsWith("probe ") }
    ),
    /** How many there were up to now: notifications arrive in the order in which their transactions committed. */
    count: Effect.gen(function*() {
      yield* run("select pg_notify('pg_task_changed', 'mark')")
      for (let n = 0;;) {
        const { payload } = yield* within(Queue.take(heard), "no mark")
        if (payload === "mark") return n
        if (payload === "") n++
      }
    })
  }
})

/**
 * How often statements of one transaction call a trigger's function, also at its end. Postgres itself sends the same
 * notification once a transaction.
 */
const calls = Effect.fnUntraced(function*(statements: ReadonlyArray<string>, trigger = "pg_task_notify") {
  const sql = yield* SqlClient.SqlClient
  const soFar = Effect.map(
    run<{ n: number }>(
      "select coalesce(sum(calls), 0)::int as n from pg_stat_xact_user_functions where funcname = $1",
      [trigger]
    ),
    (found) => found[0]!.n
  )
  return yield* sql.withTransaction(Effect.gen(function*() {
    yield* run("set local track_functions = 'all'")
    const before = yield* soFar
    yield* Effect.forEach(statements, (statement) => run(statement))
    yield* run("set constraints all immediate")
    return (yield* soFar) - before
  }))
})

workerTests("what makes work ready notifies, at once", (test) => {
  const changes: Record<string, readonly [before: string, change: string]> = {
    "an insert": ["select", insertOne],
    "an insert of a task that is due later": [
      "select",
      `insert into pg_task (step, wakeup_at) values ('${step}', now() + interval '1 day')`
    ],
    "a copy": ["select", `insert into pg_task (step) select '${step}' from generate_series(1, 10)`],
    "a cleared error": ["update pg_task set error = 'broken'", "update pg_task set error = null"],
    "a cleared error, of a task that is due later": [
      "update pg_task set error = 'broken', wakeup_at = now() + interval '1 day'",
      "update pg_task set error = null"
    ],
    "a wakeup_at that was moved forward in time": [
      "update pg_task set wakeup_at = now() + interval '2 days'",
      "update pg_task set wakeup_at = now() + interval '1 day'"
    ],
    "a replaced state, though the old one was due earlier": [
      "update pg_task set wakeup_at = now() - interval '2 hours'",
      `update pg_task set pending = jsonb_build_object('step', step, 'at', now() - interval '1 hour')`
    ],
    "all of it at once": [
      "update pg_task set wakeup_at = now() + interval '2 days', error = 'broken'",
      "update pg_task set wakeup_at = now(), error = null, tried = 0"
    ]
  }
  for (const [name, [before, change]] of Object.entries(changes)) {
    test(
      name,
      Effect.gen(function*() {
        yield* insert(step)
        yield* run(before)
        const heard = yield* listening
        yield* run(change)
        assert.strictEqual(yield* heard.next, "")
        assert.strictEqual(yield* heard.count, 0)
      })
    )
  }

  test(
    "but only when its transaction commits",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const heard = yield* listening
      yield* Effect.flip(sql.withTransaction(Effect.andThen(insert(step), Effect.fail("no"))))
      assert.strictEqual(yield* heard.count, 0)
      yield* sql.withTransaction(insert(step))
      assert.strictEqual(yield* heard.count, 1)
    })
  )

  test(
    "once a transaction, not once a statement or a row",
    Effect.gen(function*() {
      assert.strictEqual(yield* calls([`insert into pg_task (step) select '${step}' from generate_series(1, 500)`]), 1)
      assert.strictEqual(yield* calls([insertOne, insertOne]), 1)
    })
  )
})

workerTests("what doesn't make work ready is silent", (test) => {
  const changes: Record<string, readonly [before: string, change: string]> = {
    "an error": ["select", "update pg_task set error = 'broken'"],
    "another error": ["update pg_task set error = 'broken'", "update pg_task set error = 'more broken'"],
    "a wakeup_at that was moved back": ["select", "update pg_task set wakeup_at = now() + interval '1 day'"],
    "a state that is replaced by one that is due later": [
      "select",
      "update pg_task set pending = jsonb_build_object('step', step, 'at', now() + interval '1 hour')"
    ],
    "a wakeup_at of a parked task": [
      "update pg_task set error = 'broken'",
      "update pg_task set wakeup_at = now() - interval '1 day'"
    ],
    "a wakeup_at of a running task": [
      "update pg_task set is_running = true",
      "update pg_task set wakeup_at = now() - interval '1 day'"
    ],
    "the same wakeup_at": ["select", "update pg_task set wakeup_at = wakeup_at, tried = 0"],
    "a count": ["select", "update pg_task set tried = 3"],
    "a step": ["select", `update pg_task set step = '{"Greeter":{"SayHello":{"name":"Fedor"}}}'`],
    "the deletion of a task": ["select", "delete from pg_task"],
    "a statement for no row": ["select", "update pg_task set error = null where tried > 100"]
  }
  for (const [name, [before, change]] of Object.entries(changes)) {
    test(
      name,
      Effect.gen(function*() {
        yield* insert(step)
        yield* run(before)
        const heard = yield* listening
        yield* run(change)
        assert.strictEqual(yield* heard.count, 0)
        assert.strictEqual(yield* calls([change]), 0)
      })
    )
  }
})

class Begin extends Schema.TaggedClass<Begin>()("Begin", {}) {}
class End extends Schema.TaggedClass<End>()("End", { n: Schema.Number }) {}

workerTests("what a worker does itself is silent", (test) => {
  /** Moves at once, moves later, fails and is retried, and then does what it is told. */
  const makeTask = (last: Effect.Effect<NextStep.NextStep<never>, string>) =>
    Task.make("Silent", [
      Step.make(Begin, { next: [End], handler: () => Effect.succeed(NextStep.now(new End({ n: 1 }))) }),
      Step.make(End, {
        next: [End],
        retryLimit: 1,
        retryDelay: "10 millis",
        handler: Effect.fnUntraced(function*({ n }) {
          if (n === 1) return NextStep.delay(new End({ n: 2 }), "10 millis")
          return (yield* Step.Context).attempt === 1 ? yield* Effect.fail("once more") : yield* last
        })
      })
    ])

  test(
    "from state to state, until it is done",
    Effect.gen(function*() {
      const task = makeTask(Effect.succeed(NextStep.none))
      const heard = yield* listening
      yield* start({ tasks: [task] })
      yield* gone(yield* task.enqueue(new Begin()))
      assert.strictEqual(yield* heard.count, 1)
    })
  )

  test(
    "from state to state, until it is parked",
    Effect.gen(function*() {
      const task = makeTask(Effect.fail("the end"))
      const heard = yield* listening
      yield* start({ tasks: [task] })
      yield* parked(yield* task.enqueue(new Begin()))
      assert.strictEqual(yield* heard.count, 1)
    })
  )

  test(
    "but for what it gives back: others can go on with that",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const task = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const id = yield* task.enqueue(new Job({ name: "a" }))
      const heard = yield* listening
      const apart = yield* startApart({ tasks: [task], shutdownTimeout: 0 })
      yield* gate.next
      yield* closed(apart)
      assert.deepInclude(yield* row(id), { status: "ready", tried: 0 })
      assert.strictEqual(yield* heard.next, "")
    })
  )
})

workerTests("updated_at", (test) => {
  const touched = Effect.map(
    run<{ touched: boolean }>("select updated_at > created_at + interval '1 hour' as touched from pg_task"),
    (found) => found[0]!.touched
  )
  const old = Effect.andThen(insert(step), run("update pg_task set created_at = $1, updated_at = $1", ["2001-01-01Z"]))

  for (
    const edit of [
      "error = 'broken'",
      "error = null",
      "tried = 0",
      "wakeup_at = wakeup_at",
      "step = step",
      "wakeup_at = now(), error = null"
    ]
  ) {
    test(
      `is refreshed by hand: set ${edit}`,
      Effect.gen(function*() {
        yield* old
        assert.isFalse(yield* touched)
        yield* run(`update pg_task set ${edit}`)
        assert.isTrue(yield* touched)
      })
    )
  }

  test(
    "is what somebody sets it to",
    Effect.gen(function*() {
      yield* old
      yield* run("update pg_task set updated_at = '2002-02-02Z'")
      assert.deepStrictEqual(yield* run("select (updated_at at time zone 'utc')::text as at from pg_task"), [
        { at: "2002-02-02 00:00:00" }
      ])
    })
  )

  test(
    "is refreshed by a worker, too: at a transition, a retry and the end",
    Effect.gen(function*() {
      const task = Task.make("Greeter", [
        Step.make(Schema.TaggedStruct("ReadName", { filename: Schema.String }), {
          next: [End],
          handler: () => Effect.succeed(NextStep.delay(new End({ n: 1 }), "1 day"))
        }),
        Step.make(End, {
          retryLimit: 1,
          retryDelay: "1 hour",
          handler: () => Effect.fail("broken")
        })
      ])
      yield* old
      yield* start({ tasks: [task] })
      for (const [transitions, tried] of [[1, 0], [1, 1], [1, 2]]) {
        yield* eventually(rows, ([found]) => found?.transitions === transitions && found?.tried === tried)
        assert.isTrue(yield* touched)
        yield* run("update pg_task set updated_at = created_at, wakeup_at = now()")
      }
    })
  )

  test(
    "costs a worker's statements no call of the trigger's function",
    Effect.gen(function*() {
      yield* insert(step)
      assert.strictEqual(yield* calls(["update pg_task set error = 'broken'"], "pg_task_touch"), 1)
      assert.strictEqual(yield* calls(["update pg_task set updated_at = clock_timestamp()"], "pg_task_touch"), 0)
    })
  )
})

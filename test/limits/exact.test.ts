/** What might make limits inexact, or hold them up: locks, lost answers, other builds, and what people do. */
import { assert } from "@effect/vitest"
import { Clock, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Admin, NextStep, Step, Task } from "../../src/index.ts"
import {
  alive,
  atTheDoor,
  dead,
  holder,
  limitedRows,
  makeGated,
  makeSyncs,
  resetLimits,
  sync,
  tenantLimit,
  untilAtDoor,
  Work
} from "../support/limits/Syncs.ts"
import { makePacedClock, makeWrongClock } from "../support/worker/Clocks.ts"
import { makeGate, start, startWith, urlOfTest, workerTests } from "../support/worker/Fixture.ts"
import { holding } from "../support/worker/Locks.ts"
import { makeNetwork } from "../support/worker/Network.ts"
import { empty, listening, run } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

class Newer extends Schema.TaggedClass<Newer>()("Newer", { tenant: Schema.String, name: Schema.String }) {}

/** The same task in another build, which has only this state. */
const makeNewer = <E, R>(handler: (state: Newer) => Effect.Effect<unknown, E, R>) =>
  Task.make("Syncs", [
    Step.make(Newer, {
      limit: tenantLimit(1).by(({ tenant }) => tenant),
      handler: (state) => Effect.as(handler(state), NextStep.none)
    })
  ])

/** Rows of the other build. `more` says what else is in them. */
const newer = (count: number, columns: string, values: string) =>
  run(
    `insert into pg_task (step, limit_key, slots, ${columns})
    select format('{"Syncs":{"Newer":{"tenant":"a","name":"newer %s"}}}', n), 'tenant:a', 1, ${values}
    from generate_series(1, ${count}) as n`
  )

/** So many tasks take minutes on a busy machine. In milliseconds. */
const longest = 900_000

workerTests("a slot", (test) => {
  test(
    "is not given while more rows hold one than may, because the number was lowered",
    Effect.gen(function*() {
      const { gate, Syncs } = yield* makeGated()
      yield* holder("a", "highest", alive)
      yield* run("update pg_task set slot = 3, slots = 3")
      yield* atTheDoor("a", 1)
      yield* start({ tasks: [Syncs] })
      yield* Syncs.enqueue(sync("a", "new"))
      yield* untilAtDoor("new")
      assert.deepStrictEqual((yield* limitedRows).flatMap(({ slot }) => slot ?? []), [3])
      assert.strictEqual(yield* gate.unseen, 0)
      yield* run("delete from pg_task where slot = 3")
      assert.strictEqual(yield* gate.next, "1")
      yield* gate.open
      yield* empty
    })
  )

  test(
    "of one key is given while the lock of another key is held for long",
    Effect.gen(function*() {
      const { gate, Syncs } = yield* makeGated()
      const release = yield* holding(
        "select pg_advisory_xact_lock(hashtextextended('tenant:a', 'pg_task'::regclass::oid::int8))"
      )
      yield* start({ tasks: [Syncs] })
      yield* Syncs.enqueueAll([sync("a", "held up"), sync("b", "goes on"), sync("c", "goes on, too")])
      const begun = new Set([yield* gate.next, yield* gate.next])
      assert.deepStrictEqual(begun, new Set(["goes on", "goes on, too"]))
      assert.strictEqual(yield* gate.unseen, 0)
      yield* release
      assert.strictEqual(yield* gate.next, "held up")
      yield* gate.open
      yield* empty
    })
  )

  test(
    "is given while another session holds the number of the key",
    Effect.gen(function*() {
      const { gate, Syncs } = yield* makeGated()
      yield* resetLimits
      const release = yield* holding("insert into pg_task_limit (key, slots) values ('tenant:a', 5)")
      yield* start({ tasks: [Syncs] })
      yield* Syncs.enqueue(sync("a", 1))
      assert.strictEqual(yield* gate.next, "1")
      yield* gate.open
      yield* empty
      yield* release
      yield* resetLimits
    })
  )

  test(
    "goes to the next row while another session holds the oldest one",
    Effect.gen(function*() {
      const { gate, Syncs } = yield* makeGated()
      yield* atTheDoor("a", 2)
      const release = yield* holding(`select from pg_task where step like '%"name":"1"%' for update`)
      yield* start({ tasks: [Syncs] })
      assert.strictEqual(yield* gate.next, "2")
      yield* release
      yield* gate.open
      yield* empty
    })
  )

  test(
    "is taken back from rows in a state that no worker knows, and all alike leave the door with the first",
    Effect.gen(function*() {
      const { gate, Syncs } = yield* makeGated()
      yield* newer(1, "slot, updated_at", "1, now() - interval '31 seconds'")
      yield* newer(5, "wakeup_at", "now() - interval '2 hours'")
      yield* atTheDoor("a", 1)
      yield* start({ tasks: [Syncs] })
      assert.strictEqual(yield* gate.next, "1")
      const rows = yield* run("select distinct limit_key, slot from pg_task where state = 'Newer'")
      assert.deepStrictEqual(rows, [{ limit_key: null, slot: null }])
      yield* gate.open
    })
  )

  test(
    "that a worker of another build hands on is known to the one that can use it, at once",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const { gate, Syncs } = yield* makeGated()
      const later = yield* makeGate
      yield* start({ tasks: [makeNewer(({ name }) => later.enter(name))], pollInterval: "1 hour" })
      yield* start({ tasks: [Syncs], pollInterval: "1 hour" })
      yield* listening(2)
      yield* Syncs.enqueue(sync("a", "first"))
      assert.strictEqual(yield* gate.next, "first")
      // Nobody hears of this row but from the one who gives it a slot.
      yield* sql.withTransaction(Effect.andThen(
        run("select set_config('pg_task.skip_notify', 'on', true)"),
        newer(1, "slot", "null")
      ))
      yield* gate.open
      assert.strictEqual(yield* later.next, "newer 1")
      yield* later.open
      yield* empty
    })
  )

  test(
    "is used though the answer that gave it was lost",
    Effect.gen(function*() {
      const { gate, Syncs } = yield* makeGated(2)
      const network = yield* makeNetwork(yield* urlOfTest)
      yield* network.mend
      const sent = yield* network.loseAnswer("pg_task_enter")
      yield* startWith(network.url, { tasks: [Syncs], lease: "5 minutes", pollInterval: "1 hour" }).pipe(
        // Makes the time after which an answer counts as lost short.
        Effect.provideServiceEffect(Clock.Clock, makePacedClock(0.1))
      )
      // The first one asks for a slot, and the second one gets one by the same statement.
      yield* Syncs.enqueueAll([sync("a", 1), sync("a", 2)])
      yield* sent
      assert.deepStrictEqual(new Set([yield* gate.next, yield* gate.next]), new Set(["1", "2"]))
      yield* gate.open
      yield* empty
    })
  )

  for (
    const [what, change] of [
      ["moved into the future", "wakeup_at = now() + interval '1 hour'"],
      ["parked", "error = 'by hand'"]
    ] as const
  ) {
    test(
      `goes back when its row was ${what} by hand while it ran, and its worker dies: nobody rescues it`,
      Effect.gen(function*() {
        const { gate, Syncs } = yield* makeGated()
        yield* holder("a", "holder", dead)
        yield* atTheDoor("a", 1)
        yield* run(`update pg_task set ${change} where slot = 1`)
        assert.deepInclude((yield* limitedRows).find(({ name }) => name === "holder"), { slot: 1, is_running: true })
        yield* start({ tasks: [Syncs], lease: "100 millis" })
        assert.strictEqual(yield* gate.next, "1")
        yield* gate.open
      })
    )
  }

  test(
    "is given by Postgres's clock, whatever the worker's says",
    Effect.gen(function*() {
      const work = new Work()
      const Syncs = makeSyncs((sync) => work.during(sync, Effect.yieldNow), 1)
      for (const hours of [-1, 1]) {
        yield* start({ tasks: [Syncs] }).pipe(
          Effect.provideServiceEffect(Clock.Clock, makeWrongClock(hours * 3_600_000))
        )
      }
      yield* atTheDoor("a", 20)
      yield* Syncs.enqueueAll([sync("a", 21), sync("a", 22)])
      yield* empty
      assert.deepStrictEqual(work.begun, Array.from({ length: 22 }, (_, n) => String(n + 1)))
      assert.deepStrictEqual(Object.fromEntries(work.most), { a: 1 })
    })
  )

  test(
    "is given though the server lets no statement take long",
    Effect.gen(function*() {
      const work = new Work()
      const Syncs = makeSyncs((sync) => work.during(sync, Effect.void), 1)
      yield* run(
        "create function slow_slot() returns trigger language plpgsql as $$ begin perform pg_sleep(0.02); return new; end $$"
      )
      yield* Effect.addFinalizer(() => Effect.orDie(run("drop function slow_slot() cascade")))
      yield* run(
        `create trigger slow_slot before update on pg_task for each row
        when (new.slot > 0 and coalesce(old.slot, 0) = 0) execute function slow_slot()`
      )
      const url = `${yield* urlOfTest}?options=${encodeURIComponent("-c statement_timeout=500")}`
      yield* startWith(url, { tasks: [Syncs] })
      yield* Syncs.enqueueAll(Array.from({ length: 100 }, (_, n) => sync(`of ${n % 50}`, n)))
      yield* empty
      assert.lengthOf(work.begun, 100)
    })
  )

  test(
    "is there for each of 10,000 keys",
    Effect.gen(function*() {
      const work = new Work()
      const Syncs = makeSyncs((sync) => work.during(sync, Effect.void), 1)
      yield* run(
        `insert into pg_task (step, limit_key, slots)
        select format('{"Syncs":{"Sync":{"tenant":"%s","name":"%s"}}}', n, n), 'tenant:' || n, 1
        from generate_series(1, 10000) as n`
      )
      yield* start({ tasks: [Syncs] })
      yield* eventually(run("select from pg_task limit 1"), (rows) => rows.length === 0, longest)
      assert.lengthOf(work.begun, 10_000)
      assert.strictEqual(work.most.size, 10_000)
    }),
    longest
  )
})

workerTests("pausing and resuming", (test) => {
  test(
    "a limit in a transaction leaves its settings as they are, and its keys can be looked for meanwhile",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const settings = run(
        "select current_setting('lock_timeout') as lock, current_setting('synchronous_commit') as sync"
      )
      yield* run(
        `insert into pg_task (step, limit_key, slot, slots)
        values ('{"Syncs":{"Sync":{"tenant":"a","name":"holder"}}}', 'tenant:a', 1, 1)`
      )
      yield* atTheDoor("a", 1)
      const before = yield* settings
      yield* sql.withTransaction(Effect.gen(function*() {
        yield* Admin.pause({ limit: "tenant" })
        yield* Admin.resume({ limit: "tenant" })
        assert.deepStrictEqual(yield* settings, before)
        // The turn of those who look for free slots is an advisory lock: it is not taken along.
        const locks = yield* run("select from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()")
        assert.lengthOf(locks, 1)
      }))
      assert.deepStrictEqual((yield* limitedRows).flatMap(({ slot }) => slot ?? []), [1])
    })
  )
})

/**
 * Of the transactions that store tasks at the same time only one notifies. Whatever happens between their commits and
 * this notification: each task is found, and no later than `docs/how-it-works.md` says.
 */
import { PgClient } from "@effect/sql-pg"
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Queue } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep } from "../../../src/index.ts"
import { skippedSince } from "../../../src/internal/sql/notifyTriggers.ts"
import { SkippedNotifications } from "../../../src/internal/worker/skippedNotifications.ts"
import { jobs, start, workerTests } from "../../support/worker/Fixture.ts"
import { empty, listening, rows, run } from "../../support/worker/Table.ts"
import { eventually, within } from "../../support/worker/Wait.ts"

const Jobs = jobs(() => Effect.succeed(NextStep.none))
const insert = (name: string) => `insert into pg_task (step) values ('{"Jobs":{"Job":{"name":"${name}"}}}')`

/** A session of its own, which holds what this statement locks until the inner effect ends it. */
const session = Effect.fnUntraced(function*(statement: string) {
  const sql = yield* SqlClient.SqlClient
  const held = yield* Deferred.make<number, unknown>()
  const end = yield* Deferred.make<void>()
  const locked = Effect.map(
    Effect.andThen(run(statement), run<{ pid: number }>("select pg_backend_pid() as pid")),
    (found) => found[0]!.pid
  )
  const fiber = yield* Effect.forkScoped(
    sql.withTransaction(Effect.andThen(Deferred.into(locked, held), Deferred.await(end)))
  )
  const pid = yield* Deferred.await(held)
  return { pid, end: Effect.andThen(Deferred.succeed(end, undefined), Fiber.await(fiber)) }
})

const thisTenth = "(extract(epoch from clock_timestamp()) * 10)::int8 % 2147483648"

/** As if another session had its turn to notify, now and for some minutes: nobody else gets it. */
const takeTurns = session(
  `select count(pg_advisory_xact_lock('pg_task'::regclass::oid::int, t::int))
  from generate_series(${thisTenth}, ${thisTenth} + 3000) t`
)

/** A transaction that stores a task, and hangs in its commit, after its triggers. */
const hangInCommit = Effect.fnUntraced(function*(name: string) {
  yield* run("create table if not exists slow (name text)")
  yield* run(`create or replace function be_slow() returns trigger language plpgsql as $$ begin
    perform pg_advisory_xact_lock(hashtext(new.name));
    return null;
  end $$`)
  yield* run(`do $$ begin
    create constraint trigger be_slow after insert on slow deferrable initially deferred for each row
    execute function be_slow();
  exception when duplicate_object then null; end $$`)
  const lock = yield* session(`select pg_advisory_xact_lock(hashtext('${name}'))`)
  const { end, pid } = yield* session(`with a as (insert into slow values ('${name}')) ${insert(name)}`)
  const committing = yield* Effect.forkScoped(end)
  yield* Effect.addFinalizer(() => lock.end)
  yield* eventually(
    run("select 1 from pg_locks where pid = $1 and locktype = 'advisory' and not granted", [pid]),
    (found) => found.length === 1
  )
  return { pid, committed: Effect.andThen(lock.end, Fiber.join(committing)) }
})

/** A worker without anything to do, which sleeps until it is told. */
const sleeper = (pollInterval: "1 hour" | "300 millis") =>
  Effect.gen(function*() {
    yield* start({ tasks: [Jobs], pollInterval })
    yield* listening(1)
    yield* run(insert("first"))
    yield* empty
  })

/** Waits until a worker has looked for what is due next, since now. */
const looked = Effect.gen(function*() {
  const [now] = yield* run<{ at: string }>("select clock_timestamp()::text as at")
  yield* eventually(
    run(
      `select 1 from pg_stat_activity
      where datname = current_database() and query like '%as skipped%' and query_start > $1::timestamptz and state = 'idle'`,
      [now!.at]
    ),
    (found) => found.length > 0
  )
})

const heard = Effect.gen(function*() {
  const { listen } = yield* PgClient.PgClient
  const queue = yield* listen("pg_task_changed")
  /** How many notifications have come so far. */
  return Effect.gen(function*() {
    yield* run("select pg_notify('pg_task_changed', 'mark')")
    for (let n = 0;;) {
      const { payload } = yield* within(Queue.take(queue), "the mark")
      if (payload === "mark") return n
      if (payload === "") n++
    }
  })
})

const nothingLeft = within(empty, "all tasks", 60_000)

workerTests("while another transaction has its turn to notify, one that stores tasks", (test) => {
  test(
    "neither notifies, nor waits for it",
    Effect.gen(function*() {
      const count = yield* heard
      const turns = yield* takeTurns
      for (let n = 0; n < 3; n++) yield* run(insert("a"))
      yield* run("update pg_task set error = 'broken'")
      yield* run("update pg_task set error = null")
      assert.strictEqual(yield* count, 0)
      yield* turns.end
      for (let n = 0; n < 3; n++) yield* run(insert("a"))
      assert.strictEqual(yield* count, 3)
    })
  )

  test(
    "may be committed after everybody has looked: its task is found all the same, at once",
    Effect.gen(function*() {
      yield* sleeper("1 hour")
      yield* takeTurns
      const slow = yield* hangInCommit("a")
      yield* run("select pg_notify('pg_task_changed', '')")
      yield* looked
      assert.lengthOf(yield* rows, 0)
      yield* slow.committed
      yield* nothingLeft
    })
  )

  test(
    "may decide so long before its commit, where its constraints are immediate: it is found all the same",
    Effect.gen(function*() {
      yield* sleeper("1 hour")
      yield* takeTurns
      const slow = yield* session(`do $$ begin set constraints all immediate; ${insert("a")}; end $$`)
      yield* run("select pg_notify('pg_task_changed', '')")
      yield* looked
      yield* slow.end
      yield* nothingLeft
    })
  )

  test(
    "is found by the poll, at the latest, if that one never notifies",
    Effect.gen(function*() {
      yield* sleeper("300 millis")
      const count = yield* heard
      yield* takeTurns
      yield* run(insert("a"))
      yield* nothingLeft
      assert.strictEqual(yield* count, 0)
    })
  )
})

workerTests("a transaction that hangs in its commit, when it had its turn to notify,", (test) => {
  test(
    "silences others for a tenth of a second",
    Effect.gen(function*() {
      yield* sleeper("1 hour")
      const count = yield* heard
      const slow = yield* hangInCommit("a")
      const [begun] = yield* run(`select ${thisTenth} as tenth`)
      yield* eventually(run(`select ${thisTenth} as tenth`), ([now]) => now!["tenth"] !== begun!["tenth"])
      assert.strictEqual(yield* count, 0)
      yield* run(insert("b"))
      assert.strictEqual(yield* count, 1)
      yield* nothingLeft
      yield* slow.committed
      yield* nothingLeft
    })
  )

  test(
    "had its turn only since its commit began: before, it holds no lock of these",
    Effect.gen(function*() {
      const { end, pid } = yield* session(insert("a"))
      assert.deepStrictEqual(yield* run("select 1 from pg_locks where pid = $1 and locktype = 'advisory'", [pid]), [])
      yield* end
    })
  )

  test(
    "may die there: the tasks of others are found by the poll, at the latest",
    Effect.gen(function*() {
      yield* sleeper("300 millis")
      const { pid } = yield* hangInCommit("a")
      yield* run(insert("b"))
      yield* run("select pg_terminate_backend($1)", [pid])
      yield* nothingLeft
    })
  )
})

workerTests("many sessions that store tasks at the same time, and take long to commit,", (test) => {
  test(
    "leave none behind, though their worker doesn't poll: in each of 20 bursts the last one is found, too",
    Effect.gen(function*() {
      yield* sleeper("1 hour")
      yield* run("create table pace (n int)")
      yield* run(`create function keep_pace() returns trigger language plpgsql as $$ begin
        perform pg_sleep(random() * 0.03);
        return null;
      end $$`)
      yield* run(
        "create constraint trigger keep_pace after insert on pace deferrable initially deferred for each row execute function keep_pace()"
      )
      const sql = yield* SqlClient.SqlClient
      const one = sql.withTransaction(Effect.andThen(run(insert("a")), run("insert into pace values (1)")))
      for (let burst = 0; burst < 20; burst++) {
        yield* Effect.all(Array.from({ length: 6 }, () => one), { concurrency: "unbounded" })
        yield* nothingLeft
      }
    })
  )
})

workerTests("a transaction notifies once,", (test) => {
  const cases: Record<string, readonly [notifications: number, ...statements: ReadonlyArray<string>]> = {
    "however much it stores": [1, insert("a"), insert("b"), `${insert("c")}, ('x'), ('y')`],
    "if it stores again what a savepoint took back": [
      1,
      "savepoint s",
      insert("a"),
      "rollback to s",
      insert("b")
    ],
    "or not at all, if a savepoint took it back": [0, "savepoint s", insert("a"), "rollback to s"],
    "even if its constraints are made immediate in between": [
      1,
      insert("a"),
      "set constraints all immediate",
      insert("b")
    ]
  }
  for (const [name, [notifications, ...statements]] of Object.entries(cases)) {
    test(
      name,
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const count = yield* heard
        yield* sql.withTransaction(Effect.forEach(statements, (statement) => run(statement)))
        assert.strictEqual(yield* count, notifications)
      })
    )
  }
})

workerTests("a look says of transactions that skip their notification", (test) => {
  const skipped = Effect.map(
    run<{ skipped: string | null }>(`select ${skippedSince} as skipped`),
    (found) => found[0]!.skipped
  )
  const immediate = `do $$ begin set constraints all immediate; ${insert("a")}; end $$`

  test(
    "that they are open, and nothing of others",
    Effect.gen(function*() {
      yield* run("create table if not exists other (n int)")
      const other = yield* session("insert into other values (1)")
      // It may say that something has changed: the server has other databases.
      assert.notStrictEqual(yield* skipped, "open")
      yield* takeTurns
      const open = yield* session(immediate)
      assert.strictEqual(yield* skipped, "open")
      yield* open.end
      assert.notStrictEqual(yield* skipped, "open")
      yield* other.end
    })
  )

  test(
    "that the look may not see their tasks, if anything was committed since it began",
    Effect.gen(function*() {
      yield* takeTurns
      const open = yield* session(immediate)
      const [seen] = yield* run("select pg_current_snapshot()::text as snapshot")
      yield* open.end
      const since = (snapshot: unknown) =>
        run<{ skipped: string | null }>("select pg_task_skipped('pg_task'::regclass, $1) as skipped", [snapshot])
      assert.deepStrictEqual(yield* since(seen!["snapshot"]), [{ skipped: "changed" }])
    })
  )
})

it("a worker looks again until a look began after none of them was open", () => {
  const skipped = new SkippedNotifications()
  const waits = (...found: ReadonlyArray<"open" | "changed" | null>) => found.map((each) => skipped.wait(each))
  assert.deepStrictEqual(waits(null, "changed", null), [Infinity, Infinity, Infinity])
  skipped.notified()
  assert.deepStrictEqual(waits("changed", "changed"), [2, Infinity])
  skipped.notified()
  assert.deepStrictEqual(waits("open", "open", "open", null), [2, 4, 8, Infinity])
  skipped.notified()
  assert.deepStrictEqual(waits("open", "changed", "changed"), [2, 4, Infinity])
  assert.deepStrictEqual(waits(...Array.from({ length: 12 }, () => "open" as const)).at(-1), 1000)
})

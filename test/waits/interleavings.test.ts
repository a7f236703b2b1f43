/**
 * Two sessions change one row, each holding its change before its commit while the other one comes, in every order. The
 * row must never be left asleep with a signal, and takes one signal exactly once.
 */
import { assert } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import { SqlClient } from "effect/sql"
import { isSqlError } from "effect/sql/SqlError"
import { claim, everything } from "../../src/internal/sql/claim.ts"
import { storeInTransaction } from "../../src/internal/sql/outcome.ts"
import type { TaskId } from "../../src/index.ts"
import { codeOf } from "../../src/internal/sql/errors.ts"
import { start, workerTests } from "../support/worker/Fixture.ts"
import { notes, prepareNotes } from "../support/worker/Notes.ts"
import { Approved, makeOrders } from "../support/worker/Orders.ts"
import { gone, run } from "../support/worker/Table.ts"
import { waitRowWhere } from "../support/worker/Waits.ts"
import { eventually } from "../support/worker/Wait.ts"

const Orders = makeOrders()
const token = "00000000-0000-4000-8000-00000000abcd"
const hour = 3_600_000

const step = (state: string, order: string) => JSON.stringify({ Orders: { [state]: { order } } })

/** A row that a worker runs, or that waits. */
const insertRow = (order: string, running: boolean) =>
  Effect.map(
    running
      ? run<{ id: TaskId.TaskId }>(
        `insert into pg_task (step, wakeup_at, is_running, lease_token, lease_until)
        values ($1, now() - interval '1 second', true, $2, now() + interval '1 hour') returning id`,
        [step("Place", order), token]
      )
      : run<{ id: TaskId.TaskId }>(
        `insert into pg_task (step, waits_for, wait_until, wakeup_at)
        values ($1, '{Approved,Rejected}', now() + interval '1 hour', now() + interval '1 hour') returning id`,
        [step("AwaitApproval", order)]
      ),
    (rows) => rows[0]!.id
  )

interface Row {
  readonly id: TaskId.TaskId
  readonly order: string
}

/** What sessions do to a row. */
const changes = {
  /** The attempt ends: the row moves into the waiting state. */
  transition: ({ id, order }: Row) =>
    Effect.flatMap(SqlClient.SqlClient, (sql) =>
      storeInTransaction(sql, {
        ends: [],
        changes: [{
          kind: "Waiting",
          id,
          token,
          n: 0,
          step: step("AwaitApproval", order),
          waits: ["Approved", "Rejected"],
          wakes: 0,
          timeout: hour
        }]
      }, { lease: 30_000, from: "Statement" })),
  signal: ({ id }: Row) => Orders.signal(id, new Approved({ by: "first" })),
  "second signal": ({ id }: Row) => Orders.signal(id, new Approved({ by: "second" })),
  claim: () =>
    Effect.flatMap(
      SqlClient.SqlClient,
      (sql) =>
        claim(sql, {
          tasks: [{ name: "Orders", states: undefined }],
          limit: 1,
          bytes: 1e6,
          token,
          lease: 600_000
        }, everything)
    ),
  timeout: ({ id }: Row) => run("update pg_task set wakeup_at = now() where id = $1 and not is_running", [id]),
  edit: ({ id, order }: Row) =>
    run("update pg_task set step = $2 where id = $1 and not is_running", [id, step("AwaitApproval", order)]),
  park: ({ id }: Row) => run("update pg_task set error = 'stop' where id = $1", [id]),
  clear: ({ id }: Row) => run("update pg_task set error = null where id = $1", [id])
} as const

type Change = keyof typeof changes

const names = Object.keys(changes) as ReadonlyArray<Change>

const pairs = names.flatMap((first) =>
  names.filter((second) => second !== first).map((second) => [first, second] as const)
)

const levels = ["read committed", "repeatable read"] as const
type Level = (typeof levels)[number]

/** What of the other one's commit a transaction at this level can't see is refused: then it is to be begun anew. */
const isRefused = (error: unknown) => isSqlError(error) && codeOf(error) === "40001"

/** The first one holds its change; the second one comes, and waits for it or not; then both commit. */
const both = (row: Row, first: Change, second: Change, level: Level) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const change = (name: Change) => Effect.andThen(run(`set transaction isolation level ${level}`), changes[name](row))
    const held = yield* Deferred.make<void>()
    const end = yield* Deferred.make<void>()
    const one = yield* Effect.forkChild(sql.withTransaction(
      change(first).pipe(
        Effect.andThen(Deferred.succeed(held, undefined)),
        Effect.andThen(Deferred.await(end))
      )
    ))
    yield* Effect.raceFirst(Deferred.await(held), Effect.asVoid(Fiber.join(one)))
    const [session] = yield* run<{ n: number }>(waitingSessions)
    const other = yield* Effect.forkChild(
      Effect.retry(sql.withTransaction(change(second)), { while: isRefused, times: 1 })
    )
    // It has ended, or it waits for the first one's lock.
    yield* Effect.raceFirst(
      Effect.ignore(Fiber.join(other)),
      Effect.asVoid(eventually(run<{ n: number }>(waitingSessions), ([now]) => now!.n > session!.n))
    )
    yield* Deferred.succeed(end, undefined)
    yield* Fiber.join(one)
    yield* Fiber.join(other)
  })

const waitingSessions = `select count(*)::int as n from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock'`

/** Whether a row without the transition is in the waiting state from the beginning. */
const runs = (first: Change, second: Change) => first === "transition" || second === "transition"

const sentBy = (pair: readonly [Change, Change]) => pair.filter((name) => name.endsWith("signal")).length

workerTests("two sessions that hold their changes", (test) => {
  for (const level of levels) {
    test(
      `in every order, at the level ${level}: a signal is taken once, and the row is never left asleep`,
      Effect.gen(function*() {
        yield* prepareNotes
        const rows = new Map<string, TaskId.TaskId>()
        for (const [first, second] of pairs) {
          const order = `${first} ${second}`
          const id = yield* insertRow(order, runs(first, second))
          yield* both({ id, order }, first, second, level)
          // Of a worker that stops; and somebody clears what was parked.
          yield* run(
            "update pg_task set is_running = false, lease_token = null, lease_until = null where is_running"
          )
          yield* run("update pg_task set error = null where id = $1 and error is not null", [id])
          // What was sent has made it due, or a worker will find it: nothing else wakes it.
          if (sentBy([first, second]) === 0) yield* Orders.signal(id, new Approved({ by: "late" }))
          rows.set(order, id)
        }
        yield* start({ tasks: [Orders], pollInterval: "1 hour" })
        for (const id of rows.values()) yield* gone(id)
        const packed = yield* notes
        assert.strictEqual(packed.length, pairs.length)
        assert.deepStrictEqual(
          packed.map((text) => text.replace(/^packed (.*) for \w+$/, "$1")).toSorted(),
          [...rows.keys()].toSorted()
        )
      })
    )
  }

  test(
    "a row that comes into its state with a signal is told of at once",
    Effect.gen(function*() {
      yield* prepareNotes
      const sql = yield* SqlClient.SqlClient
      yield* start({ tasks: [Orders], pollInterval: "1 hour" })
      const id = yield* insertRow("1", true)
      yield* Orders.signal(id, new Approved({ by: "early" }))
      yield* waitRowWhere(id, ({ status }) => status === "running")
      yield* sql.withTransaction(changes.transition({ id, order: "1" }))
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["packed 1 for early"])
    })
  )
})

import { assert } from "@effect/vitest"
import { Effect, Exit, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Step, Task, type TaskId } from "../../src/index.ts"
import { makeGate, start, workerTests } from "../support/worker/Fixture.ts"
import { note, notes, prepareNotes } from "../support/worker/Notes.ts"
import { Approved, AwaitApproval, makeOrders, Pack, Place, Rejected } from "../support/worker/Orders.ts"
import { gone, parked, run } from "../support/worker/Table.ts"
import { waiting, waitRow, waitRowWhere } from "../support/worker/Waits.ts"

/** Where an order waits, without a worker. */
const awaitApproval = JSON.stringify({ Orders: { AwaitApproval: { order: "1" } } })

/** A row that waits, as a worker has left it. */
const insertWaiting = Effect.map(
  run<{ id: TaskId.TaskId }>(
    `insert into pg_task (step, waits_for, wait_until, wakeup_at)
    values ($1, '{Approved,Rejected}', now() + interval '1 hour', now() + interval '1 hour') returning id`,
    [awaitApproval]
  ),
  (rows) => rows[0]!.id
)

const ada = new Approved({ by: "ada" })
const bob = new Approved({ by: "bob" })

workerTests("a row that waits", (test) => {
  test(
    "says for what and until when, and goes on with the signal",
    Effect.gen(function*() {
      yield* prepareNotes
      const Orders = makeOrders()
      yield* start({ tasks: [Orders] })
      const id = yield* Orders.enqueue(new Place({ order: "1" }))
      const found = yield* waiting(id)
      assert.deepStrictEqual(found.waits_for, ["Approved", "Rejected"])
      assert.isTrue(found.waitIn! > 3_000_000 && found.waitIn! <= 3_600_000)
      yield* Orders.signal(id, ada)
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["packed 1 for ada"])
    })
  )

  test(
    "times out",
    Effect.gen(function*() {
      yield* prepareNotes
      const Orders = makeOrders(undefined, { timeout: "50 millis" })
      yield* start({ tasks: [Orders] })
      const id = yield* Orders.enqueue(new Place({ order: "1" }))
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["timed out 1"])
    })
  )

  test(
    "prefers a signal that is there to its timeout",
    Effect.gen(function*() {
      yield* prepareNotes
      const Orders = makeOrders()
      const id = yield* insertWaiting
      yield* run("update pg_task set wait_until = now() - interval '1 minute', wakeup_at = now() - interval '1 minute'")
      yield* Orders.signal(id, ada)
      yield* start({ tasks: [Orders] })
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["packed 1 for ada"])
    })
  )

  test(
    "goes on to wait until the same time when it is woken for nothing",
    Effect.gen(function*() {
      const Orders = makeOrders()
      yield* start({ tasks: [Orders] })
      const id = yield* Orders.enqueue(new AwaitApproval({ order: "1" }))
      const before = yield* waiting(id)
      yield* run("update pg_task set wakeup_at = now()")
      const after = yield* waiting(id)
      assert.deepStrictEqual(after.wait_until, before.wait_until)
      assert.deepStrictEqual(after.waits_for, before.waits_for)
      assert.strictEqual(after.dueIn > 3_000_000, true)
    })
  )

  test(
    "runs its new state at once when somebody edits it, and waits for nothing then",
    Effect.gen(function*() {
      yield* prepareNotes
      const id = yield* insertWaiting
      yield* run("update pg_task set step = $1", [JSON.stringify({ Orders: { Pack: { order: "1", by: "hand" } } })])
      const edited = yield* waitRow(id)
      assert.deepStrictEqual([edited?.waits_for, edited?.wait_until, edited?.status], [null, null, "ready"])
      yield* start({ tasks: [makeOrders()] })
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["packed 1 for hand"])
    })
  )

  test(
    "is told from a hand's edit also in the transaction of one",
    Effect.gen(function*() {
      const Orders = makeOrders()
      const sql = yield* SqlClient.SqlClient
      const id = yield* insertWaiting
      yield* sql.withTransaction(Effect.gen(function*() {
        yield* Orders.signal(id, ada)
        yield* run("update pg_task set step = $1", [JSON.stringify({ Orders: { Pack: { order: "1", by: "hand" } } })])
      }))
      assert.strictEqual((yield* waitRow(id))?.waits_for, null)
    })
  )
})

workerTests("a signal", (test) => {
  test(
    "that comes early is kept until its state is reached",
    Effect.gen(function*() {
      yield* prepareNotes
      const Orders = makeOrders()
      const id = yield* Orders.enqueue(new Place({ order: "1" }))
      yield* Orders.signal(id, ada)
      yield* start({ tasks: [Orders] })
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["packed 1 for ada"])
    })
  )

  test(
    "makes a parked row due, for when its error is cleared",
    Effect.gen(function*() {
      yield* prepareNotes
      const Orders = makeOrders()
      yield* start({ tasks: [Orders] })
      const id = yield* Orders.enqueue(new AwaitApproval({ order: "1" }))
      yield* waiting(id)
      yield* run("update pg_task set error = 'wait for me'")
      yield* Orders.signal(id, ada)
      const found = yield* waitRow(id)
      assert.strictEqual(found?.status, "parked")
      assert.isTrue(found!.dueIn <= 0)
      yield* run("update pg_task set error = null")
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["packed 1 for ada"])
    })
  )

  test(
    "that nobody waits for stays for later, and those that fit are taken in their order",
    Effect.gen(function*() {
      class Open extends Schema.TaggedClass<Open>()("Open", { seen: Schema.Array(Schema.String) }) {}
      class Closing extends Schema.TaggedClass<Closing>()("Closing", { seen: Schema.Array(Schema.String) }) {}
      class Item extends Schema.TaggedClass<Item>()("Item", { name: Schema.String }) {}
      class Close extends Schema.TaggedClass<Close>()("Close", {}) {}
      const Basket = Task.make("Basket", [
        Step.wait(Open, (on) => [
          on(Item, {
            next: [Open, Closing],
            handler: ({ seen }, { name }) => {
              const more = [...seen, name]
              return Effect.succeed(
                more.length < 3 ? NextStep.now(new Open({ seen: more })) : NextStep.now(new Closing({ seen: more }))
              )
            }
          })
        ]),
        Step.wait(Closing, (on) => [
          on(Close, { handler: ({ seen }) => Effect.as(note(seen.join(" ")), NextStep.none) })
        ])
      ])
      yield* prepareNotes
      const id = yield* Basket.enqueue(new Open({ seen: [] }))
      yield* Basket.signal(id, new Close())
      for (const name of ["a", "b", "c"]) yield* Basket.signal(id, new Item({ name }))
      yield* start({ tasks: [Basket] })
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["a b c"])
    })
  )

  test(
    "is seen again by each try, with the same key, and leaves the row with its transition",
    Effect.gen(function*() {
      yield* prepareNotes
      const keys: Array<string> = []
      const Orders = makeOrders(
        (what) =>
          Effect.gen(function*() {
            const { attempt, idempotencyKey } = yield* Step.Context
            keys.push(`${what} ${idempotencyKey}`)
            if (attempt < 3) return yield* Effect.fail("not yet")
          }),
        { retryLimit: 5, retryDelay: "10 millis" }
      )
      const id = yield* Orders.enqueue(new AwaitApproval({ order: "1" }))
      yield* Orders.signal(id, ada)
      yield* Orders.signal(id, bob)
      yield* start({ tasks: [Orders] })
      yield* gone(id)
      assert.deepStrictEqual(keys, [1, 2, 3].map(() => `approved by ada ${id}:0:Approved`))
      assert.deepStrictEqual(yield* notes, ["packed 1 for ada"])
    })
  )

  test(
    "does not cut the wait for the next try of another one short",
    Effect.gen(function*() {
      const Orders = makeOrders(() => Effect.fail("no"), { retryLimit: 1, retryDelay: "1 hour" })
      yield* start({ tasks: [Orders] })
      const id = yield* Orders.enqueue(new AwaitApproval({ order: "1" }))
      yield* Orders.signal(id, ada)
      const retrying = yield* waitRowWhere(id, ({ tried }) => tried === 1)
      assert.strictEqual(retrying.status, "scheduled")
      yield* Orders.signal(id, bob)
      const after = yield* waitRow(id)
      assert.isTrue(after!.dueIn > 3_000_000)
      assert.deepStrictEqual(after?.inbox?.signals.map(({ value }) => value["by"]), ["ada", "bob"])
    })
  )

  test(
    "that comes while the row runs is found by the transition into the waiting state",
    Effect.gen(function*() {
      yield* prepareNotes
      const gate = yield* makeGate
      class Prepare extends Schema.TaggedClass<Prepare>()("Prepare", {}) {}
      const Orders = Task.make("Orders", [
        Step.make(Prepare, {
          next: [AwaitApproval],
          handler: () => Effect.as(gate.enter("here"), NextStep.now(new AwaitApproval({ order: "1" })))
        }),
        ...makeOrders().steps.filter(({ tag }) => tag === "AwaitApproval"),
        ...makeOrders().steps.filter(({ tag }) => tag === "Pack")
      ] as never)
      yield* start({ tasks: [Orders as Task.Any<never>] })
      const id = yield* makeOrders().enqueue(new Place({ order: "never" }), { delay: "1 hour" })
      yield* run("update pg_task set step = $1, wakeup_at = now()", [JSON.stringify({ Orders: { Prepare: {} } })])
      yield* gate.next
      yield* makeOrders().signal(id, ada)
      assert.strictEqual((yield* waitRow(id))?.status, "running")
      yield* gate.open
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["packed 1 for ada"])
    })
  )

  test(
    "that a state does not wait for stays, runs nothing, and leaves the time of the wait as it is",
    Effect.gen(function*() {
      const ran: Array<string> = []
      const act = (what: string) => Effect.sync(() => ran.push(what))
      const Orders = Task.make("Orders", [
        Step.wait(AwaitApproval, (on) => [
          on(Approved, { handler: () => Effect.as(act("approved"), NextStep.none) }),
          on.timeout("1 hour", { handler: () => Effect.as(act("timed out"), NextStep.none) })
        ])
      ])
      yield* start({ tasks: [Orders] })
      const id = yield* Orders.enqueue(new AwaitApproval({ order: "1" }))
      const before = yield* waiting(id)
      yield* makeOrders().signal(id, new Rejected({ why: "no" }))
      const after = yield* waitRowWhere(id, ({ status, wakes }) => status === "waiting" && wakes === 1)
      assert.deepStrictEqual([after.waits_for, after.wait_until], [["Approved"], before.wait_until])
      assert.deepStrictEqual(after.inbox?.signals.map(({ tag }) => tag), ["Rejected"])
      assert.deepStrictEqual(ran, [])
    })
  )

  for (const way of ["Task.signal", "pg_task_signal"]) {
    test(
      `that only a newer build waits for, wakes a row that an older one has put to sleep (${way})`,
      Effect.gen(function*() {
        yield* prepareNotes
        const Older = Task.make("Orders", [
          Step.wait(AwaitApproval, (on) => [on(Approved, { handler: () => Effect.succeed(NextStep.none) })])
        ])
        const id = yield* Older.enqueue(new AwaitApproval({ order: "1" }))
        yield* Effect.scoped(Effect.andThen(start({ tasks: [Older] }), waiting(id)))
        assert.deepStrictEqual((yield* waitRow(id))?.waits_for, ["Approved"])
        const Orders = makeOrders()
        yield* start({ tasks: [Orders] })
        yield* way === "Task.signal"
          ? Orders.signal(id, new Rejected({ why: "no" }))
          : run("select pg_task_signal($1, 'Rejected', '{\"why\":\"no\"}')", [id])
        yield* gone(id)
        assert.deepStrictEqual(yield* notes, ["rejected 1: no"])
      })
    )
  }

  test(
    "has room in an inbox that a person has left without signals",
    Effect.gen(function*() {
      const Orders = makeOrders()
      const id = yield* insertWaiting
      yield* run(`update pg_task set inbox = '{"dedupe":["webhook-6"]}'`)
      yield* Orders.signal(id, ada)
      yield* run(`update pg_task set inbox = '{}'`)
      yield* run("select pg_task_signal($1, 'Approved', '{}')", [id])
      assert.lengthOf((yield* waitRow(id))!.inbox!.signals, 1)
    })
  )

  test(
    "with a key that the task has seen changes nothing",
    Effect.gen(function*() {
      const Orders = makeOrders()
      const id = yield* insertWaiting
      for (const signal of [ada, bob]) yield* Orders.signal(id, signal, { dedupe: "webhook-7" })
      const found = yield* waitRow(id)
      assert.deepStrictEqual(found?.inbox?.signals.map(({ value }) => value["by"]), ["ada"])
      assert.strictEqual(found?.wakes, 1)
    })
  )

  test(
    "is remembered by its key also after it was taken",
    Effect.gen(function*() {
      class Count extends Schema.TaggedClass<Count>()("Count", { n: Schema.Number }) {}
      const Counter = Task.make("Counter", [
        Step.wait(Count, (on) => [
          on(Approved, { next: [Count], handler: ({ n }) => Effect.succeed(NextStep.now(new Count({ n: n + 1 }))) })
        ])
      ])
      yield* start({ tasks: [Counter] })
      const id = yield* Counter.enqueue(new Count({ n: 0 }))
      yield* Counter.signal(id, ada, { dedupe: "once" })
      yield* waitRowWhere(id, ({ step, status }) => status === "waiting" && step.includes("1"))
      yield* Counter.signal(id, bob, { dedupe: "once" })
      const found = yield* waitRow(id)
      assert.deepStrictEqual(found?.inbox, { dedupe: ["once"], signals: [] })
      assert.strictEqual(found?.wakes, 1)
    })
  )

  test(
    "is part of the transaction in which it is sent",
    Effect.gen(function*() {
      const Orders = makeOrders()
      const sql = yield* SqlClient.SqlClient
      const id = yield* insertWaiting
      const sent = Effect.andThen(Orders.signal(id, ada), Effect.fail("undone"))
      assert.isTrue(Exit.isFailure(yield* Effect.exit(sql.withTransaction(sent))))
      assert.strictEqual((yield* waitRow(id))?.inbox, null)
    })
  )

  test(
    "that doesn't fit its schema parks the row, and says so",
    Effect.gen(function*() {
      yield* prepareNotes
      const Orders = makeOrders()
      yield* start({ tasks: [Orders] })
      const id = yield* Orders.enqueue(new AwaitApproval({ order: "1" }))
      yield* waiting(id)
      yield* run("select pg_task_signal($1, 'Other')", [id])
      yield* run("select pg_task_signal($1, 'Approved', '{\"by\":7}')", [id])
      const found = yield* parked(id)
      assert.match(
        found.error!,
        /Orders: the signal "Approved" doesn't fit its schema: .*by.*\nCorrect it, or .* "inbox" at {signals,1}, and clear/s
      )
      assert.strictEqual(found.tried, 0)
      yield* run(
        `update pg_task set inbox = jsonb_set(inbox, '{signals,1,value}', '{"by":"bob"}'), error = null where id = $1`,
        [id]
      )
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["packed 1 for bob"])
    })
  )
})

workerTests("a signal is refused", (test) => {
  const Orders = makeOrders()
  const messageOf = (effect: Effect.Effect<unknown, { readonly _tag: string }, SqlClient.SqlClient>) =>
    Effect.map(Effect.flip(effect), (error) => error)

  test(
    "when there is no such task, or it has another name",
    Effect.gen(function*() {
      const nobody = "00000000-0000-4000-8000-000000000000" as TaskId.TaskId
      assert.strictEqual((yield* messageOf(Orders.signal(nobody, ada)))._tag, "TaskNotFoundError")
      yield* run(`insert into pg_task (step) values ('{"Other":{"Place":{}}}')`)
      const [other] = yield* run<{ id: TaskId.TaskId }>("select id from pg_task")
      assert.strictEqual((yield* messageOf(Orders.signal(other!.id, ada)))._tag, "TaskNotFoundError")
    })
  )

  test(
    "when the task has ended",
    Effect.gen(function*() {
      const id = yield* insertWaiting
      yield* run("update pg_task set ended_at = now(), kept_until = now() + interval '1 hour'")
      assert.strictEqual((yield* messageOf(Orders.signal(id, ada)))._tag, "TaskNotFoundError")
    })
  )

  test(
    "when the inbox is full, by number or by size; and nothing is lost of what it has",
    Effect.gen(function*() {
      const id = yield* insertWaiting
      yield* run(
        `update pg_task set inbox = (select jsonb_build_object('signals', jsonb_agg(jsonb_build_object('tag', 'Other')))
        from generate_series(1, 1000))`
      )
      assert.strictEqual((yield* messageOf(Orders.signal(id, ada)))._tag, "TaskInboxFullError")
      assert.strictEqual((yield* waitRow(id))?.inbox?.signals.length, 1000)
      yield* run("update pg_task set inbox = null")
      yield* Orders.signal(id, new Approved({ by: "a".repeat(600_000) }))
      assert.strictEqual(
        (yield* messageOf(Orders.signal(id, new Approved({ by: "a".repeat(600_000) }))))._tag,
        "TaskInboxFullError"
      )
    })
  )

  test(
    "when its schema doesn't take it, or Postgres can't store it",
    Effect.gen(function*() {
      const id = yield* insertWaiting
      const bad = [
        { _tag: "Approved", by: 7 },
        { _tag: "Nobody" },
        new Approved({ by: "a\0b" }),
        new Approved({ by: "\ud800" })
      ]
      for (const signal of bad) {
        const error = yield* messageOf(Orders.signal(id, signal as Approved))
        assert.strictEqual(error._tag, "TaskInvalidSignalError")
      }
      yield* Orders.signal(id, new Approved({ by: "\\u0000 is only a text" }))
      const options = [{ dedupe: "" }, { dedupe: 7 }, { dedupe: "a\0" }, 5]
      for (const option of options) {
        assert.strictEqual((yield* messageOf(Orders.signal(id, ada, option as {})))._tag, "TaskOptionsError")
      }
      assert.strictEqual((yield* waitRow(id))?.wakes, 1)
    })
  )
})

workerTests("a move into a waiting state", (test) => {
  class Later extends Schema.TaggedClass<Later>()("Later", {}) {}

  const delayed = Task.make("Orders", [
    Step.make(Later, {
      next: [AwaitApproval],
      handler: () => Effect.succeed(NextStep.delay(new AwaitApproval({ order: "1" }), "2 hours"))
    }),
    Step.wait(AwaitApproval, (on) => [
      on(Approved, {
        next: [Pack],
        handler: ({ order }, { by }) => Effect.succeed(NextStep.now(new Pack({ order, by })))
      }),
      on(Rejected, { transactional: true, handler: (_, { why }) => Effect.as(note(why), NextStep.none) }),
      on.timeout(({ order }) => order === "1" ? "1 hour" : "2 hours", { handler: () => Effect.succeed(NextStep.none) })
    ]),
    Step.make(Pack, { handler: ({ by }) => Effect.succeed(NextStep.noneWith({ commit: note(`packed for ${by}`) })) })
  ])

  test(
    "with a delay waits from now, and its time counts from the delay's end",
    Effect.gen(function*() {
      yield* prepareNotes
      yield* start({ tasks: [delayed] })
      const id = yield* delayed.enqueue(new Later())
      const found = yield* waiting(id)
      assert.isTrue(found.waitIn! > 2.9 * 3_600_000 && found.waitIn! <= 3 * 3_600_000)
      yield* delayed.signal(id, ada)
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["packed for ada"])
    })
  )

  test(
    "may be left by a transactional handler",
    Effect.gen(function*() {
      yield* prepareNotes
      yield* start({ tasks: [delayed] })
      const id = yield* delayed.enqueue(new Later())
      yield* waiting(id)
      yield* delayed.signal(id, new Rejected({ why: "no" }))
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["no"])
    })
  )

  test(
    "without a timeout is due never, and a long inbox is read when the row is claimed",
    Effect.gen(function*() {
      class Waits extends Schema.TaggedClass<Waits>()("Waits", {}) {}
      const Patient = Task.make("Patient", [
        Step.wait(
          Waits,
          (on) => [on(Approved, { handler: (_, { by }) => Effect.as(note(String(by.length)), NextStep.none) })]
        )
      ])
      yield* prepareNotes
      yield* start({ tasks: [Patient] })
      const id = yield* Patient.enqueue(new Waits())
      yield* waiting(id)
      assert.strictEqual((yield* run<{ at: string }>("select wakeup_at::text as at from pg_task"))[0]?.at, "infinity")
      yield* Patient.signal(id, new Approved({ by: "a".repeat(200_000) }))
      yield* gone(id)
      assert.deepStrictEqual(yield* notes, ["200000"])
    })
  )
})

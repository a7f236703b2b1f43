import { PgClient } from "@effect/sql-pg"
import { assert, describe, layer } from "@effect/vitest"
import { Context, DateTime, Deferred, Duration, Effect, Fiber, Result, Schema, type Scope, Stream } from "effect"
import { SqlClient } from "effect/sql"
import { Admin, NextStep, type TaskError } from "../src/index.ts"
import { page, type PageOptions } from "../src/internal/adminPage.ts"
import { testDatabase } from "./support/Database.ts"
import { Greeter, insertEach, nobody, ReadName, readName, SayHello } from "./support/Greeter.ts"
import { Job, jobs, makeGate, start, startApart, workerTests } from "./support/worker/Fixture.ts"
import { capture } from "./support/worker/Logs.ts"
import { gone, insert, parked, row, run } from "./support/worker/Table.ts"
import { within } from "./support/worker/Wait.ts"

const idsOf = (page: Admin.Page) => page.rows.map((row) => row.id)

const failure = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error)

workerTests("a list", (test) => {
  test(
    "is in the order of wakeup_at, and says what each row is",
    Effect.gen(function*() {
      const ids = yield* insertEach
      const page = yield* Admin.list()
      assert.deepStrictEqual(page.rows.map((row) => row.status), ["parked", "running", "ready", "waiting"])
      assert.strictEqual(page.next, undefined)
      const [stuck] = page.rows
      assert.strictEqual(stuck!.id, ids.parked)
      assert.strictEqual(stuck!.task, "Greeter")
      assert.strictEqual(stuck!.step, "ReadName")
      assert.strictEqual(stuck!.tried, 3)
      assert.strictEqual(stuck!.deaths, 1)
      assert.strictEqual(stuck!.raw, readName("parked"))
      assert.closeTo(Duration.toHours(stuck!.age), 2, 0.01)
      assert.closeTo(Duration.toMinutes(page.rows[1]!.age), 2, 0.1)
      assert.isNotNull(page.rows[1]!.leaseUntil)
      const newest = yield* Admin.list({ first: "newest" })
      assert.deepStrictEqual(idsOf(newest), idsOf(page).toReversed())
    })
  )

  const filters: Record<string, { readonly filter: Admin.Filter; readonly found: ReadonlyArray<string> }> = {
    "a status": { filter: { status: "waiting" }, found: ["waiting"] },
    "running alone": { filter: { status: ["running"] }, found: ["running"] },
    "some statuses": { filter: { status: ["ready", "parked"] }, found: ["parked", "ready"] },
    "no status": { filter: { status: [] }, found: [] },
    "a task": { filter: { task: "Greeter" }, found: ["parked", "running", "ready", "waiting"] },
    "another task": { filter: { task: "Other" }, found: [] },
    "a step": { filter: { step: "ReadName", status: "ready" }, found: ["ready"] },
    "another step": { filter: { step: "SayHello" }, found: [] },
    "a part of the error": { filter: { error: "timeout" }, found: ["parked"] },
    "parts of the error": { filter: { error: "httperror*timeout" }, found: ["parked"] },
    "what is special to SQL": { filter: { error: "100% of" }, found: ["parked"] },
    "an error with a wildcard of SQL": { filter: { error: "http_rror" }, found: [] },
    "old ones": { filter: { olderThan: "90 seconds" }, found: ["parked", "running"] },
    "new ones": { filter: { newerThan: "90 seconds" }, found: ["ready", "waiting"] }
  }
  for (const [name, { filter, found }] of Object.entries(filters)) {
    test(
      `filters by ${name}`,
      Effect.gen(function*() {
        const ids: Record<string, string> = yield* insertEach
        assert.deepStrictEqual(idsOf(yield* Admin.list(filter)), found.map((which) => ids[which]!) as never)
        assert.strictEqual(yield* Admin.count(filter), found.length)
      })
    )
  }

  test(
    "holds rows that are no tasks, and tasks of any spelling",
    Effect.gen(function*() {
      const spellings: Record<string, readonly [task: string | null, step: string | null]> = {
        "garbage": [null, null],
        "{\"A\":{\"B\":": [null, null],
        "{\"A\":{\"B\":{}}}": ["A", "B"],
        " { \"A\" : { \"B\" : null } } ": ["A", "B"],
        "{\"A \\\"1\\\"\":{\"B \\\"2\\\"\":{}}}": ["A \"1\"", "B \"2\""],
        "{\"\\u0041\":{\"\\u0042\\u00e9\":{}}}": ["A", "Bé"],
        "{\"A\":{\"\\u0000\":{}}}": ["A", null],
        "{\"名前\":{\"👋\":{}}}": ["名前", "👋"]
      }
      for (const spelling of Object.keys(spellings)) yield* insert(spelling)
      const { rows } = yield* Admin.list()
      assert.deepStrictEqual(Object.fromEntries(rows.map((row) => [row.raw, [row.task, row.step]])), spellings as never)
      assert.strictEqual((yield* Admin.list({ task: null })).rows.length, 2)
      assert.strictEqual((yield* Admin.list({ step: "B \"2\"" })).rows.length, 1)
      const counts = yield* Admin.counts()
      assert.deepStrictEqual(
        counts.map(({ count, step, task }) => [task, step, count]).filter(([, step]) => step === "B" || step === null),
        [["A", "B", 2], ["A", null, 1], [null, null, 2]]
      )
    })
  )

  test(
    "reads long states, and times that no Date can hold",
    Effect.gen(function*() {
      const long = yield* insert(JSON.stringify({ Greeter: { ReadName: { filename: "x".repeat(100_000) } } }))
      yield* run("update pg_task set wakeup_at = 'infinity'")
      const { rows: [found] } = yield* Admin.list()
      assert.strictEqual(found!.id, long)
      assert.strictEqual(found!.step, "ReadName")
      assert.strictEqual(found!.status, "waiting")
      assert.strictEqual(DateTime.toEpochMillis(found!.wakeupAt), 8.64e15)
      assert.deepStrictEqual(idsOf(yield* Admin.list({ after: `infinity~${nobody}` as Admin.Cursor })), [found!.id])
    })
  )

  test(
    "becomes JSON, and comes back from it",
    Effect.gen(function*() {
      yield* insertEach
      const { rows } = yield* Admin.list()
      const json = JSON.parse(JSON.stringify(rows.map((row) => Schema.encodeSync(Admin.Row)(row))))
      assert.match(json[0].createdAt, /^\d{4}-\d\d-\d\dT/)
      assert.isNumber(json[0].age)
      assert.deepStrictEqual(json.map((row: never) => Schema.decodeSync(Admin.Row)(row)), rows)
    })
  )
})

workerTests("pages", (test) => {
  /** Rows that share their `wakeup_at`, as one statement's do. */
  const insertMany = (count: number) =>
    run(
      `insert into pg_task (step, error) select format('{"T%s":{"S":{}}}', n % 3), case when n % 5 = 0 then 'x' end
from generate_series(1, $1::int) n`,
      [count]
    )

  const readAll = (options: Admin.ListOptions) =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      let after: Admin.Cursor | undefined
      do {
        const page = yield* Admin.list({ ...options, after })
        seen.push(...idsOf(page))
        after = page.next
      } while (after !== undefined)
      return seen
    })

  for (const first of ["oldest", "newest"] as const) {
    test(
      `go on by key where many are due at once, ${first} first`,
      Effect.gen(function*() {
        yield* insertMany(50)
        yield* insertMany(50)
        const seen = yield* readAll({ limit: 7, first })
        assert.strictEqual(seen.length, 100)
        assert.strictEqual(new Set(seen).size, 100)
        assert.deepStrictEqual(yield* readAll({ limit: 1000, first }), seen)
        assert.deepStrictEqual(
          (yield* readAll({ limit: 9, first, task: "T1" })).length,
          yield* Admin.count({ task: "T1" })
        )
      })
    )
  }

  test(
    "don't skip or repeat when rows before them go or come",
    Effect.gen(function*() {
      yield* insertMany(30)
      const all = yield* readAll({})
      const one = yield* Admin.list({ limit: 10 })
      yield* Admin.cancel(all.slice(0, 5))
      yield* run("insert into pg_task (step, wakeup_at) values ('{\"T\":{\"S\":{}}}', now() - interval '1 day')")
      assert.deepStrictEqual(idsOf(yield* Admin.list({ limit: 100, after: one.next })), all.slice(10) as never)
    })
  )

  test(
    "have a cursor that travels as text",
    Effect.gen(function*() {
      yield* insertMany(3)
      const { next } = yield* Admin.list({ limit: 2 })
      assert.strictEqual(yield* Schema.decodeUnknownEffect(Admin.Cursor)(`${next}`), next!)
      for (const broken of ["", "x", `${next}x`, `now()~${nobody}`]) {
        assert.isTrue(Result.isFailure(yield* Effect.result(Schema.decodeUnknownEffect(Admin.Cursor)(broken))))
      }
    })
  )

  test(
    "make a stream",
    Effect.gen(function*() {
      yield* insertMany(25)
      const rows = yield* Stream.runCollect(Admin.stream({ status: "ready", limit: 10 }))
      assert.strictEqual(rows.length, 20)
      assert.strictEqual(yield* Stream.runCount(Admin.stream({ status: "parked", limit: 5 })), 5)
    })
  )

  test(
    "come from the indexes",
    Effect.gen(function*() {
      yield* insertMany(5000)
      yield* run("analyze pg_task")
      const sql = yield* SqlClient.SqlClient
      const plan = (options: Partial<PageOptions>) =>
        Effect.gen(function*() {
          const explaining = { unsafe: (text: string, params: never) => sql.unsafe(`explain ${text}`, params) }
          const lines = yield* page(explaining as never, {
            limit: 10,
            newestFirst: false,
            after: undefined,
            ...options
          })
          return lines.map((line) => Object.values(line)[0]).join("\n")
        })
      assert.notInclude(yield* plan({}), "Seq Scan")
      assert.notInclude(yield* plan({ status: ["parked"], newestFirst: true }), "Seq Scan")
      const after = { key: "2000-01-01T00:00:00+00:00", id: nobody }
      assert.notInclude(yield* plan({ status: ["ready"], after }), "Seq Scan")
    })
  )
})

workerTests("one task", (test) => {
  test(
    "is found by its id, or by the first digits of it",
    Effect.gen(function*() {
      const { parked } = yield* insertEach
      const found = yield* Admin.get(parked)
      assert.strictEqual(found.error, "HttpError: 100% of it\n  caused by: Timeout")
      assert.strictEqual((yield* Admin.get(` ${parked.toUpperCase()}`)).id, found.id)
      assert.strictEqual(yield* Admin.findId(parked.slice(0, 13)), parked)
      assert.strictEqual(yield* Admin.findId(parked), parked)
    })
  )

  test(
    "isn't found by anything else",
    Effect.gen(function*() {
      assert.strictEqual((yield* failure(Admin.get("x' or true --")))._tag, "TaskIdError")
      assert.strictEqual((yield* failure(Admin.get(nobody)))._tag, "TaskNotFoundError")
      assert.match((yield* failure(Admin.findId("abc"))).message, /first 4 or more digits/)
      assert.match((yield* failure(Admin.findId("12xy"))).message, /is not the id of a task/)
      assert.match((yield* failure(Admin.findId("abcdef"))).message, /No task has an id that begins with "abcdef"/)
      for (const id of ["abcdef00", "abcdef01"]) {
        yield* run("insert into pg_task (id, step) values ($1::uuid, 'x')", [`${id}${nobody.slice(8)}`])
      }
      assert.match((yield* failure(Admin.findId("abcdef"))).message, /More than one/)
    })
  )

  test(
    "is decoded by its task's schemas",
    Effect.gen(function*() {
      const id = yield* Greeter.enqueue(new SayHello({ at: DateTime.makeUnsafe(0) }))
      const state = yield* Admin.decode(Greeter, (yield* Admin.get(id)).raw)
      assert.deepStrictEqual(state, new SayHello({ at: DateTime.makeUnsafe(0) }))
      const misfits = {
        "garbage": "step is not JSON",
        "{\"Other\":{\"ReadName\":{}}}": "This is a task \"Other\", not \"Greeter\"",
        "{\"Greeter\":{\"Nope\":{}}}": "Greeter has no state \"Nope\"",
        "{\"Greeter\":{\"ReadName\":{}}}": "Missing key"
      }
      for (const [raw, message] of Object.entries(misfits)) {
        const error = yield* failure(Admin.decode(Greeter, raw))
        assert.strictEqual(error._tag, "InvalidStateError")
        assert.include(error.message, message)
      }
    })
  )
})

workerTests("counts", (test) => {
  test(
    "are by task, step and status, with the oldest",
    Effect.gen(function*() {
      yield* insertEach
      yield* insertEach
      yield* Greeter.enqueue(new SayHello({ at: DateTime.makeUnsafe(0) }))
      const counts = yield* Admin.counts()
      assert.deepStrictEqual(
        counts.map((
          one
        ) => [one.step, one.status, one.count, one.retrying, Math.round(Duration.toMinutes(one.oldest))]),
        [
          ["ReadName", "parked", 2, 2, 120],
          ["ReadName", "ready", 2, 0, 1],
          ["ReadName", "running", 2, 0, 2],
          ["ReadName", "waiting", 2, 2, 0],
          ["SayHello", "ready", 1, 0, 0]
        ]
      )
      assert.deepStrictEqual((yield* Admin.counts({ status: "ready" })).map((one) => one.count), [2, 1])
    })
  )

  test(
    "are none of an empty table",
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* Admin.counts(), [])
    })
  )
})

workerTests("changes", (test) => {
  test(
    "retry parked tasks as if they had never failed",
    Effect.gen(function*() {
      const ids = yield* insertEach
      assert.strictEqual(yield* Admin.retry(ids.parked), 1)
      const retried = (yield* row(ids.parked))!
      assert.deepInclude(retried, { status: "ready", error: null, tried: 0, deaths: 0 })
      assert.strictEqual(yield* Admin.retry(ids.parked), 0)
      assert.strictEqual((yield* row(ids.waiting))!.tried, 2)
    })
  )

  test(
    "retry what is parked for later at once",
    Effect.gen(function*() {
      const { parked } = yield* insertEach
      yield* run("update pg_task set wakeup_at = now() + interval '1 day'")
      yield* Admin.retry([parked])
      assert.strictEqual((yield* row(parked))!.status, "ready")
    })
  )

  test(
    "wake the workers",
    Effect.gen(function*() {
      let broken = true
      yield* start({
        tasks: [jobs(() => broken ? Effect.fail("broken") : Effect.succeed(NextStep.none))],
        pollInterval: "1 hour"
      })
      const id = yield* insert(`{"Jobs":{"Job":{"name":"a"}}}`)
      yield* parked(id)
      broken = false
      assert.strictEqual(yield* Admin.retry({ error: "broken" }), 1)
      yield* gone(id)
      const later = yield* Admin.enqueueRaw(`{"Jobs":{"Job":{"name":"b"}}}`, { delay: "1 hour" })
      assert.strictEqual(yield* Admin.runNow(later), 1)
      yield* gone(later)
    })
  )

  test(
    "make due what waits, and nothing else",
    Effect.gen(function*() {
      const ids = yield* insertEach
      assert.strictEqual(yield* Admin.runNow({ task: "Greeter" }), 1)
      assert.deepInclude(yield* row(ids.waiting), { status: "ready", tried: 2 })
      assert.strictEqual((yield* row(ids.parked))!.status, "parked")
    })
  )

  test(
    "delete by id, by ids and by filter",
    Effect.gen(function*() {
      const ids = yield* insertEach
      assert.strictEqual(yield* Admin.cancel(ids.ready), 1)
      assert.strictEqual(yield* Admin.cancel([ids.ready, ids.waiting, nobody]), 1)
      assert.strictEqual(yield* Admin.cancel({ status: ["running", "parked"] }), 2)
      assert.strictEqual(yield* Admin.count(), 0)
    })
  )

  test(
    "refuse what selects nothing in particular",
    Effect.gen(function*() {
      yield* insertEach
      for (const change of [Admin.retry, Admin.runNow, Admin.cancel]) {
        assert.strictEqual((yield* failure(change({})))._tag, "FilterError")
        assert.strictEqual((yield* failure(change({ task: undefined })))._tag, "FilterError")
        assert.strictEqual((yield* failure(change("nonsense")))._tag, "TaskIdError")
        assert.strictEqual((yield* failure(change([nobody, "nonsense"])))._tag, "TaskIdError")
        assert.strictEqual((yield* failure(change(nobody)))._tag, "TaskNotFoundError")
        assert.strictEqual(yield* change([]), 0)
      }
      assert.strictEqual(yield* Admin.count(), 4)
    })
  )

  test(
    "are part of the transaction around them",
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* insertEach
      const undone = Effect.andThen(Admin.cancel({ task: "Greeter" }), Effect.fail("undo"))
      yield* Effect.flip(sql.withTransaction(undone))
      assert.strictEqual(yield* Admin.count(), 4)
    })
  )
})

workerTests("cancelling a running task", (test) => {
  const interruptible = Effect.gen(function*() {
    const interrupted = yield* Deferred.make<void>()
    const gate = yield* makeGate
    const task = jobs(({ name }) =>
      gate.enter(name).pipe(
        Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined)),
        Effect.as(NextStep.none)
      )
    )
    return { task, gate, interrupted: within(Deferred.await(interrupted), "the step was not interrupted") }
  })

  test(
    "interrupts its step at once",
    Effect.gen(function*() {
      const { gate, interrupted, task } = yield* interruptible
      yield* start({ tasks: [task], lease: "1 hour", pollInterval: "1 hour" })
      const id = yield* task.enqueue(new Job({ name: "a" }))
      yield* gate.next
      assert.strictEqual(yield* Admin.cancel(id), 1)
      yield* interrupted
      assert.strictEqual(yield* row(id), undefined)
    })
  )

  test(
    "interrupts its step at the next renewal, if the worker hears no notifications",
    Effect.gen(function*() {
      const { gate, interrupted, task } = yield* interruptible
      // A worker with nothing but a SqlClient doesn't listen.
      yield* start({ tasks: [task], lease: "300 millis" }).pipe(
        Effect.updateContext((context: Context.Context<Scope.Scope | SqlClient.SqlClient | PgClient.PgClient>) =>
          Context.omit(PgClient.PgClient)(context)
        )
      )
      yield* task.enqueue(new Job({ name: "a" }))
      yield* gate.next
      assert.strictEqual(yield* Admin.cancel({ status: "running" }), 1)
      yield* interrupted
      assert.strictEqual(yield* Admin.count(), 0)
    })
  )
})

workerTests("an edit", (test) => {
  test(
    "replaces the state, which goes on with the next retry",
    Effect.gen(function*() {
      const { parked } = yield* insertEach
      yield* Admin.edit(Greeter, parked, new ReadName({ filename: "b" }))
      assert.deepInclude(yield* row(parked), { step: readName("b"), status: "parked", tried: 3, transitions: 1 })
      yield* Admin.edit(Greeter, parked, new SayHello({ at: DateTime.makeUnsafe(0) }))
      assert.strictEqual((yield* Admin.get(parked)).step, "SayHello")
    })
  )

  test(
    "of a waiting task leaves when it is due",
    Effect.gen(function*() {
      const { waiting } = yield* insertEach
      yield* Admin.editRaw(waiting, readName("b"))
      assert.deepInclude(yield* row(waiting), { step: readName("b"), status: "waiting", tried: 2 })
    })
  )

  test(
    "is refused by the schema, and by what has no shape",
    Effect.gen(function*() {
      const { parked } = yield* insertEach
      const tooLong = { _tag: "ReadName", filename: "much too long" } as ReadName
      assert.strictEqual((yield* failure(Admin.edit(Greeter, parked, tooLong)))._tag, "InvalidStateError")
      for (const raw of ["garbage", "{}", "{\"Greeter\":{}}", "[1]", "{\"Greeter\":{\"ReadName\":[]}}"]) {
        assert.strictEqual((yield* failure(Admin.editRaw(parked, raw)))._tag, "InvalidStateError")
      }
      assert.deepInclude(yield* row(parked), { step: readName("parked"), transitions: 0 })
    })
  )

  test(
    "is refused while the task runs, has moved on, is another's, or is gone",
    Effect.gen(function*() {
      const { parked, running } = yield* insertEach
      const other = yield* Admin.enqueueRaw("{\"Other\":{\"ReadName\":{}}}")
      const edit = (id: string, options?: Admin.EditOptions) =>
        failure(Admin.edit(Greeter, id, new ReadName({ filename: "b" }), options))
      const reason = (error: Admin.EditFailure) => error._tag === "EditError" ? error.reason : error._tag
      assert.strictEqual(reason(yield* edit(running)), "Running")
      assert.strictEqual(reason(yield* edit(parked, { transitions: 1 })), "Changed")
      assert.strictEqual(reason(yield* edit(other)), "OtherTask")
      assert.strictEqual(reason(yield* edit(nobody)), "TaskNotFoundError")
      assert.strictEqual(reason(yield* edit("nonsense")), "TaskIdError")
      yield* Admin.edit(Greeter, parked, new ReadName({ filename: "b" }), { transitions: 0 })
    })
  )
})

workerTests("enqueueing without a definition", (test) => {
  test(
    "stores the text as it is",
    Effect.gen(function*() {
      const raw = "{ \"Any\" : { \"Step\" : { \"big\": 12345678901234567890 } } }"
      const id = yield* Admin.enqueueRaw(raw)
      assert.deepInclude(yield* row(id), { step: raw, task: "Any", status: "ready" })
    })
  )

  test(
    "may delay or schedule",
    Effect.gen(function*() {
      const delayed = yield* Admin.enqueueRaw(readName("a"), { delay: "1 hour" })
      assert.closeTo((yield* row(delayed))!.dueIn, 3_600_000, 60_000)
      const at = DateTime.makeUnsafe("2040-01-01T00:00:00Z")
      const scheduled = yield* Admin.enqueueRaw(readName("a"), { at })
      assert.deepStrictEqual((yield* Admin.get(scheduled)).wakeupAt, at)
    })
  )

  test(
    "refuses what no worker could read",
    Effect.gen(function*() {
      assert.strictEqual((yield* failure(Admin.enqueueRaw("ReadName")))._tag, "InvalidStateError")
      assert.strictEqual(yield* Admin.count(), 0)
    })
  )
})

workerTests("stopping workers", (test) => {
  test(
    "waits until their steps have ended",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const task = jobs(({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const logs = capture()
      const { worker } = yield* startApart({ tasks: [task] }).pipe(Effect.provide(logs.layer))
      yield* task.enqueue(new Job({ name: "a" }))
      yield* gate.next
      const stopping = yield* Effect.forkChild(Admin.stopWorkers())
      yield* logs.line("Worker draining")
      const late = yield* task.enqueue(new Job({ name: "b" }))
      assert.strictEqual(stopping.pollUnsafe(), undefined)
      yield* gate.open
      yield* within(Fiber.join(stopping), "still waiting")
      yield* within(worker.stopped, "not stopped")
      assert.strictEqual((yield* row(late))!.status, "ready")
    })
  )

  test(
    "says how many run on when the time is over",
    Effect.gen(function*() {
      yield* insertEach
      const error = yield* failure(Admin.stopWorkers({ timeout: "300 millis" }))
      assert.strictEqual(error._tag, "StopTimeoutError")
      assert.strictEqual((error as TaskError.StopTimeoutError).running, 1)
    })
  )

  test(
    "doesn't wait for the dead",
    Effect.gen(function*() {
      yield* insertEach
      yield* run("update pg_task set lease_until = now() - interval '1 second' where is_running")
      yield* within(Admin.stopWorkers(), "it waited")
    })
  )
})

describe("a database without the table", () => {
  const everything: Record<string, Effect.Effect<unknown, { readonly _tag: string }, SqlClient.SqlClient>> = {
    list: Admin.list(),
    stream: Stream.runDrain(Admin.stream()),
    get: Admin.get(nobody),
    findId: Admin.findId("0000"),
    counts: Admin.counts(),
    count: Admin.count(),
    retry: Admin.retry(nobody),
    runNow: Admin.runNow([nobody]),
    cancel: Admin.cancel({ task: "Greeter" }),
    edit: Admin.editRaw(nobody, readName("a")),
    enqueueRaw: Admin.enqueueRaw(readName("a")),
    stopWorkers: Admin.stopWorkers()
  }
  layer(testDatabase)((it) => {
    it.effect.each(Object.keys(everything))("fails %s with what to do about it", (name) =>
      Effect.gen(function*() {
        const error = yield* failure(everything[name]!)
        assert.strictEqual(error._tag, "TableError")
        assert.include((error as TaskError.TableError).message, "Migrations.run")
      }))
  })
})

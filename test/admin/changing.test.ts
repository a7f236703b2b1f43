import { PgClient } from "@effect/sql-pg"
import { assert } from "@effect/vitest"
import { Context, DateTime, Deferred, Effect, Fiber, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { Admin, NextStep, type TaskError } from "../../src/index.ts"
import { Greeter, insertEach, nobody, ReadName, readName, SayHello } from "../support/cli/Greeter.ts"
import { Greeter as DeclaredGreeter } from "../support/cli/declared.ts"
import { Job, jobs, makeGate, start, startApart, workerTests } from "../support/worker/Fixture.ts"
import { capture } from "../support/worker/Logs.ts"
import { gone, insert, listening, parked, row, run } from "../support/worker/Table.ts"
import { within } from "../support/worker/Wait.ts"

const failure = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => error)

workerTests("changes", (test) => {
  test(
    "retry parked tasks as if they had never failed",
    Effect.gen(function*() {
      const ids = yield* insertEach
      assert.strictEqual(yield* Admin.retry(ids.parked), 1)
      const retried = (yield* row(ids.parked))!
      assert.deepInclude(retried, { status: "ready", error: null, tried: 0, crashes: 0 })
      assert.strictEqual(yield* Admin.retry(ids.parked), 0)
      assert.strictEqual((yield* row(ids.scheduled))!.tried, 2)
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
      assert.deepInclude(yield* row(ids.scheduled), { status: "ready", tried: 2 })
      assert.strictEqual((yield* row(ids.parked))!.status, "parked")
    })
  )

  test(
    "delete by id, by ids and by filter",
    Effect.gen(function*() {
      const ids = yield* insertEach
      assert.strictEqual(yield* Admin.cancel(ids.ready), 1)
      assert.strictEqual(yield* Admin.cancel([ids.ready, ids.scheduled, nobody]), 1)
      assert.strictEqual(yield* Admin.cancel({ status: ["running", "parked"] }), 2)
      assert.strictEqual(yield* Admin.count(), 0)
    })
  )

  test(
    "refuse what selects nothing in particular",
    Effect.gen(function*() {
      yield* insertEach
      for (const change of [Admin.retry, Admin.runNow, Admin.cancel]) {
        assert.strictEqual((yield* failure(change({})))._tag, "TaskFilterError")
        assert.strictEqual((yield* failure(change({ task: undefined })))._tag, "TaskFilterError")
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
      yield* listening(1)
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
    "needs the declaration alone, whose entry says nothing about repairs",
    Effect.gen(function*() {
      const { parked } = yield* insertEach
      yield* Admin.edit(DeclaredGreeter, parked, new SayHello({ at: DateTime.makeUnsafe(0) }))
      const { raw, step } = yield* Admin.get(parked)
      assert.strictEqual(step, "SayHello")
      assert.deepStrictEqual(
        yield* Admin.decode(DeclaredGreeter, raw),
        new SayHello({ at: DateTime.makeUnsafe(0) })
      )
      const tooLong = { _tag: "ReadName", filename: "much too long" } as ReadName
      assert.strictEqual((yield* failure(Admin.edit(DeclaredGreeter, parked, tooLong)))._tag, "TaskInvalidStateError")
      assert.strictEqual(yield* Admin.retry({ task: DeclaredGreeter }), 1)
    })
  )

  test(
    "of a waiting task leaves when it is due",
    Effect.gen(function*() {
      const { scheduled: waiting } = yield* insertEach
      yield* Admin.editRaw(waiting, readName("b"))
      assert.deepInclude(yield* row(waiting), { step: readName("b"), status: "scheduled", tried: 2 })
    })
  )

  test(
    "is refused by the schema, and by what has no shape",
    Effect.gen(function*() {
      const { parked } = yield* insertEach
      const tooLong = { _tag: "ReadName", filename: "much too long" } as ReadName
      assert.strictEqual((yield* failure(Admin.edit(Greeter, parked, tooLong)))._tag, "TaskInvalidStateError")
      for (const raw of ["garbage", "{}", "{\"Greeter\":{}}", "[1]", "{\"Greeter\":{\"ReadName\":[]}}"]) {
        assert.strictEqual((yield* failure(Admin.editRaw(parked, raw)))._tag, "TaskInvalidStateError")
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
      const reason = (error: Admin.EditError) => error._tag === "TaskEditError" ? error.reason : error._tag
      assert.strictEqual(reason(yield* edit(running)), "Running")
      assert.strictEqual(reason(yield* edit(parked, { transitions: 1 })), "Changed")
      assert.strictEqual(reason(yield* edit(other)), "OtherTask")
      assert.strictEqual(reason(yield* edit(nobody)), "TaskNotFoundError")
      assert.strictEqual(reason(yield* edit("nonsense")), "TaskIdError")
      yield* Admin.edit(Greeter, parked, new ReadName({ filename: "b" }), { transitions: 0 })
    })
  )
})

workerTests("an edit of what a dead worker holds", (test) => {
  test(
    "takes it back, once its lease has been over for a minute",
    Effect.gen(function*() {
      const { running } = yield* insertEach
      const edit = Admin.edit(Greeter, running, new ReadName({ filename: "b" }))
      for (const ended of ["lease_until = now() - interval '5 seconds'", "lease_until = null, updated_at = now()"]) {
        yield* run(`update pg_task set ${ended} where is_running`)
        assert.deepInclude(yield* failure(edit), { _tag: "TaskEditError", reason: "Running" })
      }
      yield* run("update pg_task set lease_until = now() - interval '61 seconds' where is_running")
      yield* edit
      assert.deepInclude(yield* row(running), {
        step: readName("b"),
        status: "ready",
        transitions: 1,
        token: null,
        leaseUntil: null
      })
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
      assert.strictEqual((yield* failure(Admin.enqueueRaw("ReadName")))._tag, "TaskInvalidStateError")
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
      assert.strictEqual(error._tag, "TaskStopTimeoutError")
      assert.strictEqual((error as TaskError.TaskStopTimeoutError).running, 1)
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

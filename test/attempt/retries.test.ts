import { assert } from "@effect/vitest"
import { Data, Effect, Schedule, Schema } from "effect"
import { Admin, NextStep, Step, Task } from "../../src/index.ts"
import { closed, Job, jobs, start, startApart, workerTests } from "../support/worker/Fixture.ts"
import { gone, parked, row, rowWhere, run } from "../support/worker/Table.ts"

class Fetch extends Schema.TaggedClass<Fetch>()("Fetch", { url: Schema.String }) {}
class Save extends Schema.TaggedClass<Save>()("Save", { text: Schema.String }) {}

class Timeout extends Data.TaggedError("Timeout")<{}> {}
class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {}

const broken = new Refused({ message: "no" })

const fetchWith = <E>(attempts: Array<number>, error: E, retry: Schedule.Schedule<unknown, NoInfer<E>>) =>
  Task.make("Fetcher", [
    Step.make(Fetch, {
      retry,
      handler: () =>
        Effect.gen(function*() {
          attempts.push((yield* Step.Context).attempt)
          return yield* Effect.fail(error)
        })
    })
  ])

workerTests("retries", (test) => {
  test(
    "tries once, then `retryLimit` times more, then keeps the state and the error",
    Effect.gen(function*() {
      const attempts: Array<number> = []
      const Jobs = jobs(() =>
        Effect.gen(function*() {
          attempts.push((yield* Step.Context).attempt)
          return yield* broken
        }), { retryLimit: 3, retryDelay: "10 millis" })
      yield* start({ tasks: [Jobs] })
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      const left = yield* parked(id)
      assert.deepStrictEqual(attempts, [1, 2, 3, 4])
      assert.deepInclude(left, {
        step: `{"Jobs":{"Job":{"name":"a"}}}`,
        tried: 4,
        error: "Refused: no",
        token: null,
        crashes: 0,
        transitions: 0
      })
    })
  )

  test(
    "keeps what the step failed with until it moves on",
    Effect.gen(function*() {
      const long = "x".repeat(1990) + "😀".repeat(20)
      const Jobs = jobs(
        ({ name }) => name === "a" ? Effect.fail(new Refused({ message: long })) : Effect.succeed(NextStep.none),
        { retryLimit: 5, retryDelay: "1 hour" }
      )
      const worker = yield* startApart({ tasks: [Jobs] })
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      yield* rowWhere(id, ({ tried }) => tried === 1)
      const retried = yield* Admin.get(id)
      assert.deepInclude(retried, { status: "scheduled", error: null })
      assert.strictEqual(retried.lastError, `Refused: ${"x".repeat(1990)}\ufffd`)
      yield* closed(worker)
      // In its next state nothing has failed yet.
      const Moving = jobs(() => Effect.succeed(NextStep.delay(new Job({ name: "b" }), "1 hour")))
      yield* start({ tasks: [Moving] })
      yield* Admin.runNow(id)
      yield* rowWhere(id, ({ transitions }) => transitions === 1)
      assert.isNull((yield* Admin.get(id)).lastError)
    })
  )

  test(
    "waits `retryDelay` in between, without an error in the row",
    Effect.gen(function*() {
      const Jobs = jobs(() => broken, { retryLimit: 1, retryDelay: "1 hour" })
      yield* start({ tasks: [Jobs] })
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      const waiting = yield* rowWhere(id, ({ tried }) => tried === 1)
      assert.deepInclude(waiting, { status: "scheduled", error: null, delay: 3_600_000, token: null })
    })
  )

  test(
    "does not retry by default",
    Effect.gen(function*() {
      const Jobs = jobs(() => broken)
      yield* start({ tasks: [Jobs] })
      assert.strictEqual((yield* parked(yield* Jobs.enqueue(new Job({ name: "a" })))).tried, 1)
    })
  )

  const moves = {
    "at once": (state: Save) => NextStep.now(state),
    "later": (state: Save) => NextStep.delay(state, "10 millis")
  }
  for (const [when, move] of Object.entries(moves)) {
    test(
      `begins to count anew with the next step, ${when}`,
      Effect.gen(function*() {
        const Twice = Task.make("Twice", [
          Step.make(Fetch, {
            next: [Save],
            retryLimit: 2,
            retryDelay: "10 millis",
            handler: ({ url }) =>
              Effect.flatMap(
                Step.Context,
                ({ attempt }) => attempt < 3 ? Effect.fail("not yet") : Effect.succeed(move(new Save({ text: url })))
              )
          }),
          Step.make(Save, { retryLimit: 1, retryDelay: "1 hour", handler: () => broken })
        ])
        yield* start({ tasks: [Twice] })
        const id = yield* Twice.enqueue(new Fetch({ url: "x" }))
        const waiting = yield* rowWhere(id, ({ step, tried }) => step.includes("Save") && tried > 0)
        assert.deepInclude(waiting, { status: "scheduled", tried: 1, transitions: 1 })
      })
    )
  }

  test(
    "takes any schedule's delays, one after the other",
    Effect.gen(function*() {
      const Fetcher = fetchWith([], broken, Schedule.exponential("1 hour").pipe(Schedule.upTo({ times: 4 })))
      yield* start({ tasks: [Fetcher] })
      const id = yield* Fetcher.enqueue(new Fetch({ url: "x" }))
      const delays: Array<number> = []
      for (let n = 1; n <= 4; n++) {
        delays.push((yield* rowWhere(id, ({ tried }) => tried === n)).delay / 3_600_000)
        yield* run("update pg_task set wakeup_at = now()")
      }
      assert.deepStrictEqual(delays, [1, 2, 4, 8])
      assert.strictEqual((yield* parked(id)).tried, 5)
    })
  )

  test(
    "goes on in the schedule where the last worker was",
    Effect.gen(function*() {
      const policy = Schedule.exponential("1 hour").pipe(Schedule.upTo({ times: 4 }))
      const first = yield* startApart({ tasks: [fetchWith([], broken, policy)] })
      const Fetcher = fetchWith([], broken, policy)
      const id = yield* Fetcher.enqueue(new Fetch({ url: "x" }))
      yield* rowWhere(id, ({ tried }) => tried === 1)
      yield* closed(first)
      yield* run("update pg_task set wakeup_at = now(), tried = tried + 1")
      yield* start({ tasks: [Fetcher] })
      const waiting = yield* rowWhere(id, ({ tried }) => tried === 3)
      assert.strictEqual(waiting.delay, 4 * 3_600_000)
    })
  )

  test(
    "asks the schedule about the error",
    Effect.gen(function*() {
      const onlyTimeouts = Schedule.spaced("10 millis").pipe(
        Schedule.while(({ input }: { readonly input: Timeout | Refused }) => input._tag === "Timeout"),
        Schedule.upTo({ times: 3 })
      )
      const attempts: Array<number> = []
      const task = (error: Timeout | Refused) => fetchWith(attempts, error, onlyTimeouts)
      const timeouts = yield* startApart({ tasks: [task(new Timeout())] })
      const first = yield* parked(yield* task(broken).enqueue(new Fetch({ url: "x" })))
      assert.deepInclude(first, { tried: 4, error: "Timeout" })
      yield* closed(timeouts)
      yield* start({ tasks: [task(broken)] })
      const second = yield* parked(yield* task(broken).enqueue(new Fetch({ url: "x" })))
      assert.deepInclude(second, { tried: 1, error: "Refused: no" })
      assert.deepStrictEqual(attempts, [1, 2, 3, 4, 1])
    })
  )

  test(
    "parks a task whose schedule breaks, with both errors",
    Effect.gen(function*() {
      const policy = Schedule.spaced("10 millis").pipe(
        Schedule.while(() => Effect.die(new Error("broken schedule")))
      )
      const Fetcher = fetchWith([], broken, policy)
      yield* start({ tasks: [Fetcher] })
      const { error } = yield* parked(yield* Fetcher.enqueue(new Fetch({ url: "x" })))
      assert.include(error, "Refused: no")
      assert.include(error, "broken schedule")
    })
  )

  test(
    "goes on from the same step, at once, when its error is cleared",
    Effect.gen(function*() {
      let fixed = false
      const seen: Array<string> = []
      const Fixable = Task.make("Fixable", [
        Step.make(Fetch, {
          next: [Save],
          handler: ({ url }) => Effect.sync(() => (seen.push("fetch"), NextStep.now(new Save({ text: url }))))
        }),
        Step.make(Save, {
          handler: ({ text }) =>
            Effect.suspend(() => {
              seen.push(`save ${text}`)
              return fixed ? Effect.succeed(NextStep.none) : broken
            })
        })
      ])
      yield* start({ tasks: [Fixable], pollInterval: "1 hour" })
      const id = yield* Fixable.enqueue(new Fetch({ url: "x" }))
      yield* parked(id)
      fixed = true
      yield* run("update pg_task set error = null")
      yield* gone(id)
      assert.deepStrictEqual(seen, ["fetch", "save x", "save x"])
    })
  )

  test(
    "fails again, after its error was cleared, without the retries it has used up",
    Effect.gen(function*() {
      const Jobs = jobs(() => broken, { retryLimit: 1, retryDelay: "10 millis" })
      yield* start({ tasks: [Jobs] })
      const id = yield* Jobs.enqueue(new Job({ name: "a" }))
      assert.strictEqual((yield* parked(id)).tried, 2)
      yield* run("update pg_task set error = null")
      yield* rowWhere(id, ({ status, tried }) => status === "parked" && tried === 3)
      yield* run("update pg_task set error = null, tried = 0")
      yield* rowWhere(id, ({ status, tried }) => status === "parked" && tried === 2)
      assert.isDefined(yield* row(id))
    })
  )
})

import { assert } from "@effect/vitest"
import { Data, DateTime, Effect, type Fiber, Schema } from "effect"
import { NextStep, Step, Task } from "../../src/index.ts"
import { Job, jobs, start, workerTests } from "../support/worker/Fixture.ts"
import { gone, parked, rowWhere } from "../support/worker/Table.ts"

class Narrow extends Schema.TaggedClass<Narrow>()("Narrow", {
  text: Schema.String.check(Schema.isMaxLength(3))
}) {}

class HttpError extends Data.TaggedError("HttpError")<{ readonly status: number; readonly cause?: unknown }> {
  override get message() {
    return `status ${this.status}`
  }
}

/** As a caller in plain JavaScript, whom no compiler stops. */
const untyped = (handler: (job: any) => any) => jobs(handler as (job: Job) => Effect.Effect<NextStep.NextStep<Job>>)

/** What a handler may do wrong, and what the row then says. */
const mistakes: Record<string, { readonly handler: (job: any) => any; readonly error: string | RegExp }> = {
  "throws": {
    handler: () => {
      throw new RangeError("out of it")
    },
    error: /^Defect: RangeError: out of it\n {4}at .*failures\.test/
  },
  "throws what is no Error": {
    handler: () => {
      throw { code: 7 }
    },
    error: `Defect: {"code":7}`
  },
  "dies": { handler: () => Effect.die(new Error("a bug")), error: /^Defect: Error: a bug\n {4}at / },
  "throws in the middle of its effect": {
    handler: () => Effect.andThen(Effect.sleep(1), Effect.sync(() => JSON.parse("{"))),
    error: /^Defect: SyntaxError: /
  },
  "fails with undefined": { handler: () => Effect.fail(undefined), error: "The step failed without an error" },
  "fails with null": { handler: () => Effect.fail(null), error: "The step failed without an error" },
  "fails with a circular object": {
    handler: () => {
      const circle: Record<string, unknown> = {}
      circle["self"] = circle
      return Effect.fail(circle)
    },
    error: "[object Object]"
  },
  "fails with NUL in its message": { handler: () => Effect.fail("a\0b"), error: "a\\0b" },
  "fails with half a character": { handler: () => Effect.fail("a\ud800b"), error: /^a.+b$/ },
  "interrupts itself": { handler: () => Effect.interrupt, error: "The step was interrupted from inside" },
  "interrupts its own fiber": {
    handler: () =>
      Effect.withFiber((fiber: Fiber.Fiber<unknown, unknown>) =>
        Effect.andThen(Effect.sync(() => fiber.interruptUnsafe()), Effect.never)
      ),
    error: "The step was interrupted from inside"
  },
  "returns undefined": { handler: () => undefined, error: "must return an Effect" },
  "returns a NextStep without an Effect": { handler: () => NextStep.none, error: "must return an Effect" },
  "is an async function": { handler: async () => NextStep.none, error: "must return an Effect" },
  "succeeds with undefined": { handler: () => Effect.void, error: "must succeed with a NextStep" },
  "succeeds with a state": { handler: (job) => Effect.succeed(job), error: "must succeed with a NextStep" },
  "moves to a state that is not in `next`": {
    handler: () => Effect.succeed(NextStep.now({ _tag: "Elsewhere" })),
    error: `the handler of step "Job" moved to "Elsewhere", which is not in its \`next\``
  },
  "moves to undefined": {
    handler: () => Effect.succeed(NextStep.now(undefined as never)),
    error: `moved to "undefined"`
  },
  "moves to a state that doesn't fit its schema": {
    handler: () => Effect.succeed(NextStep.now({ _tag: "Job", name: 7 })),
    error: `the state "Job" doesn't fit its schema`
  },
  "delays by nonsense": {
    handler: (job) => Effect.sync(() => NextStep.delay(job, "soon" as never)),
    error: "Defect: "
  },
  "schedules for nonsense": {
    handler: (job) => Effect.succeed(NextStep.at(job, "tomorrow" as never)),
    error: "Defect: "
  },
  "has a finalizer that dies": {
    handler: () => Effect.as(Effect.addFinalizer(() => Effect.die(new Error("finalizer"))), NextStep.none),
    error: "Defect: Error: finalizer"
  }
}

workerTests("a handler that", (test) => {
  for (const [what, { error, handler }] of Object.entries(mistakes)) {
    test(
      `${what}: its task is parked with the reason, and the worker goes on`,
      Effect.gen(function*() {
        const Jobs = untyped((job: Job) => (job.name === "bad" ? handler(job) : Effect.succeed(NextStep.none)))
        yield* start({ tasks: [Jobs], concurrency: 1 })
        const bad = yield* Jobs.enqueue(new Job({ name: "bad" }))
        const left = yield* parked(bad)
        if (typeof error === "string") assert.include(left.error, error)
        else assert.match(left.error!, error)
        assert.deepInclude(left, { tried: 1, transitions: 0, token: null, step: `{"Jobs":{"Job":{"name":"bad"}}}` })
        yield* gone(yield* Jobs.enqueue(new Job({ name: "good" })))
      })
    )
  }
})

workerTests("failures", (test) => {
  test(
    "a defect is retried like an error",
    Effect.gen(function*() {
      const Jobs = jobs(() =>
        Effect.flatMap(Step.Context, ({ attempt }) =>
          attempt === 1 ?
            Effect.die(new Error("once"))
            : attempt === 2 ?
            Effect.interrupt
            : Effect.succeed(NextStep.none)), { retryLimit: 2, retryDelay: "10 millis" })
      yield* start({ tasks: [Jobs] })
      yield* gone(yield* Jobs.enqueue(new Job({ name: "a" })))
    })
  )

  test(
    "the row tells the whole chain of causes",
    Effect.gen(function*() {
      const Jobs = jobs(() => {
        const socket = Object.assign(new Error("connect ECONNREFUSED"), { name: "SocketError" })
        const fetch = new TypeError("fetch failed", { cause: socket })
        const http = new HttpError({ status: 503, cause: fetch })
        return Effect.fail(new Error("can't load the page", { cause: http }))
      })
      yield* start({ tasks: [Jobs] })
      const left = yield* parked(yield* Jobs.enqueue(new Job({ name: "a" })))
      assert.strictEqual(
        left.error,
        [
          "Error: can't load the page",
          "  caused by: HttpError: status 503",
          "  caused by: TypeError: fetch failed",
          "  caused by: SocketError: connect ECONNREFUSED"
        ].join("\n")
      )
    })
  )

  test(
    "an error tells of all that went wrong at once, and a chain that bites its tail ends",
    Effect.gen(function*() {
      const loop: Error & { cause?: unknown } = new Error("circular")
      loop.cause = new Error("tail", { cause: loop })
      const Jobs = jobs(({ name }): Effect.Effect<never, unknown> =>
        name === "circular" ? Effect.fail(loop) : Effect.ensuring(Effect.fail("first"), Effect.die("second"))
      )
      yield* start({ tasks: [Jobs] })
      const [both, circular] = yield* Jobs.enqueueAll([new Job({ name: "both" }), new Job({ name: "circular" })])
      const { error } = yield* parked(both!)
      assert.include(error, "first")
      assert.include(error, "second")
      assert.match((yield* parked(circular!)).error!, /^Error: circular\n {2}caused by: Error: tail/)
    })
  )

  test(
    "a megabyte of error is cut, not lost",
    Effect.gen(function*() {
      const Jobs = jobs(() => Effect.fail(`begin ${"x".repeat(1_000_000)}`))
      yield* start({ tasks: [Jobs] })
      const { error } = yield* parked(yield* Jobs.enqueue(new Job({ name: "a" })))
      assert.match(error!, /^begin x+$/)
      assert.isBelow(error!.length, 100_000)
    })
  )

  test(
    "a state that its own schema refuses parks the step that made it",
    Effect.gen(function*() {
      const Narrowing = Task.make("Narrowing", [
        Step.make(Job, {
          next: [Narrow],
          handler: ({ name }) => Effect.sync(() => NextStep.now({ _tag: "Narrow", text: name }))
        }),
        Step.make(Narrow, { handler: () => Effect.succeed(NextStep.none) })
      ])
      yield* start({ tasks: [Narrowing] })
      const left = yield* parked(yield* Narrowing.enqueue(new Job({ name: "too long" })))
      assert.include(left.error, `the state "Narrow" doesn't fit its schema`)
      assert.include(left.step, "Job")
    })
  )

  test(
    "a delay without end, and one before the beginning of time, are stored",
    Effect.gen(function*() {
      const Jobs = jobs((job) =>
        Effect.succeed(
          job.name === "forever" ?
            NextStep.delay(job, Infinity)
            : job.name === "never was" ?
            NextStep.delay(new Job({ name: "end" }), -Infinity)
            : job.name === "past" ?
            NextStep.at(new Job({ name: "end" }), DateTime.makeUnsafe(-8.64e15))
            : job.name === "far" ?
            NextStep.at(job, DateTime.makeUnsafe(8.64e15))
            : NextStep.none
        )
      )
      yield* start({ tasks: [Jobs] })
      const ids = yield* Jobs.enqueueAll(
        ["forever", "far", "never was", "past"].map((name) => new Job({ name }))
      )
      yield* rowWhere(ids[0]!, ({ status, transitions }) => status === "scheduled" && transitions === 1)
      yield* rowWhere(ids[1]!, ({ status, transitions }) => status === "scheduled" && transitions === 1)
      yield* gone(ids[2]!)
      yield* gone(ids[3]!)
    })
  )
})

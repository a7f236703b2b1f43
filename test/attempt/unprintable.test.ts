/** Failures that throw when they are looked at, as code may that others wrote. */
import { assert } from "@effect/vitest"
import { Cause, Effect, Exit, Schedule, Tracer } from "effect"
import { NextStep, Step, Task } from "../../src/index.ts"
import * as Spans from "../support/telemetry/Spans.ts"
import { Job, start, workerTests } from "../support/worker/Fixture.ts"
import * as Logs from "../support/worker/Logs.ts"
import { gone, parked } from "../support/worker/Table.ts"
import { eventually } from "../support/worker/Wait.ts"

const refuse = () => {
  throw new Error("don't look")
}

const bare = (fields: object): unknown => Object.assign(Object.create(null) as object, fields)

const revoked = (target: object): unknown => {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

const withGetter = (name: string): unknown => Object.defineProperty(new Error("hidden"), name, { get: refuse })

/** What is thrown, and what the row then says at least. */
const failures: Record<string, { readonly error: unknown; readonly says: string }> = {
  "a null-prototype object with a BigInt": { error: bare({ id: 1n }), says: "" },
  "a null-prototype object with a symbol for a name": {
    error: bare({ message: "known", name: Symbol("name") }),
    says: "known"
  },
  "a null-prototype object as a message": { error: { message: bare({}) }, says: "Error: {}" },
  "a throwing `message`": { error: withGetter("message"), says: "can't be printed" },
  "a throwing `name`": { error: withGetter("name"), says: "can't be printed" },
  "a throwing `_tag`": { error: withGetter("_tag"), says: "can't be printed" },
  "a throwing `cause`": { error: withGetter("cause"), says: "hidden" },
  "a throwing `stack`": { error: withGetter("stack"), says: "hidden" },
  "a throwing `toString`": { error: { toString: refuse, id: 1n }, says: "can't be printed" },
  "a throwing `toJSON`": { error: { toJSON: refuse, toString: refuse }, says: "can't be printed" },
  "a throwing cause of a cause": {
    error: new Error("outer", { cause: new Error("inner", { cause: revoked({}) }) }),
    says: "inner"
  },
  "a revoked proxy": { error: revoked({}), says: "can't be printed" },
  "a revoked proxy of an error": { error: revoked(new Error("gone")), says: "can't be printed" },
  "a revoked proxy of a function": { error: revoked(() => {}), says: "can't be printed" },
  "a proxy of which every trap throws": {
    error: new Proxy({}, new Proxy({}, { get: refuse })),
    says: "can't be printed"
  }
}

const ways = { fails: Effect.fail, dies: Effect.die }

const cases = Object.fromEntries(
  (["fails", "dies"] as const).flatMap((way) =>
    Object.entries(failures).map(([what, failure]) => [`${way} with ${what}`, { way, ...failure }])
  )
)

/** A task of one step, with as many tries as it has failed with. */
const task = (transactional: boolean, fail: (name: string) => Effect.Effect<never, unknown>) => {
  const attempts = new Map<string, Array<number>>()
  const Jobs = Task.make("Jobs", [
    Step.make(Job, {
      transactional,
      retry: Schedule.spaced("10 millis").pipe(
        Schedule.setInputType<unknown>(),
        Schedule.while(({ attempt }) => attempt <= 1)
      ),
      handler: Effect.fnUntraced(function*({ name }) {
        const { attempt } = yield* Step.Context
        attempts.set(name, [...(attempts.get(name) ?? []), attempt])
        return name === "good" ? NextStep.none : yield* fail(name)
      })
    })
  ])
  return { attempts, Jobs }
}

/** Makes text of failures, as exporters do. */
class PrintedSpan extends Tracer.NativeSpan {
  override end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    if (Exit.isFailure(exit)) Cause.prettyErrors(exit.cause)
    super.end(endTime, exit)
  }
}

const printing = Tracer.make({ span: (options) => new PrintedSpan(options) })

workerTests("a failure that can't be printed", (test) => {
  for (const transactional of [false, true]) {
    test(
      `of a ${
        transactional ? "transactional step" : "step"
      } is retried as any other, then parked, and the worker goes on`,
      Effect.gen(function*() {
        const logs = Logs.capture()
        const spans = Spans.capture()
        const names = Object.keys(cases)
        const { attempts, Jobs } = task(transactional, (name) => {
          const { error, way } = cases[name]!
          return ways[way](error)
        })
        yield* start({ tasks: [Jobs] }).pipe(Effect.provide(logs.layer), Effect.provide(spans.layer))
        const ids = yield* Jobs.enqueueAll(names.map((name) => new Job({ name })))
        for (const [n, name] of names.entries()) {
          const left = yield* parked(ids[n]!)
          assert.deepInclude(left, { tried: 2, token: null }, name)
          // Effect's transactions look at the error, too, and may replace it by what that throws.
          if (!transactional) assert.include(left.error, cases[name]!.says, name)
          assert.deepStrictEqual(attempts.get(name), [1, 2], name)
        }
        yield* gone(yield* Jobs.enqueue(new Job({ name: "good" })))
        // A transactional step is logged after its commit.
        yield* eventually(Effect.sync(() => logs.find("Parked").length), (count) => count >= names.length)
        assert.lengthOf(logs.find("Retry in"), names.length)
        assert.lengthOf(logs.find("Parked"), names.length)
      })
    )
  }

  test(
    "and at which the retry schedule throws, is parked",
    Effect.gen(function*() {
      const Jobs = Task.make("Jobs", [
        Step.make(Job, {
          retry: Schedule.spaced("10 millis").pipe(
            Schedule.setInputType<unknown>(),
            Schedule.while(({ input }) => (input as Error).message !== "fatal")
          ),
          handler: () => Effect.fail(revoked(new Error("gone")))
        })
      ])
      yield* start({ tasks: [Jobs] })
      const left = yield* parked(yield* Jobs.enqueue(new Job({ name: "a" })))
      assert.deepInclude(left, { tried: 1, token: null })
      assert.include(left.error, "its retry schedule failed")
    })
  )

  test(
    "and at which the tracer throws, is parked",
    Effect.gen(function*() {
      const { attempts, Jobs } = task(false, () => Effect.fail(revoked({})))
      yield* start({ tasks: [Jobs] }).pipe(Effect.provideService(Tracer.Tracer, printing))
      const left = yield* parked(yield* Jobs.enqueue(new Job({ name: "a" })))
      assert.deepInclude(left, { tried: 2, token: null })
      assert.deepStrictEqual(attempts.get("a"), [1, 2])
    })
  )
})

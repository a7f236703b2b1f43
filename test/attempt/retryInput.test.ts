// What a retry schedule is asked about: the errors of the handler and of its commit, and nothing else.
import { assert } from "@effect/vitest"
import { Data, Effect, Schedule, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Step, Task, type TaskError } from "../../src/index.ts"
import { start, workerTests } from "../support/worker/Fixture.ts"
import { parked, run } from "../support/worker/Table.ts"

class Begin extends Schema.TaggedClass<Begin>()("Begin", {}) {}
const End = Schema.TaggedStruct("End", { name: Schema.String.check(Schema.isNonEmpty()) })

class Busy extends Data.TaggedError("Busy")<{}> {}

type Handled<E> = Effect.Effect<NextStep.NextStep<typeof End.Type, E, SqlClient.SqlClient>, E, SqlClient.SqlClient>

const taskWith = <E>(
  handled: Handled<E>,
  retry: Schedule.Schedule<unknown, NoInfer<E>>,
  options: { readonly transactional?: boolean } = {}
) =>
  Task.make("Asked", [
    Step.make(Begin, { ...options, next: [End], retry, handler: () => handled }),
    Step.make(End, { handler: () => Effect.succeed(NextStep.none) })
  ])

const soon = Schedule.spaced("10 millis").pipe(Schedule.upTo({ times: 3 }))

/** A schedule that retries every error, and writes down what it is asked about. */
const asking = <E>(seen: Set<E>) =>
  soon.pipe(
    Schedule.setInputType<E>(),
    Schedule.while(({ input }) => {
      const { _tag } = input as { readonly _tag?: string }
      seen.add(input)
      return _tag !== "Never"
    })
  )

/** The error of a task that ended so, how often it was tried, and what its schedule was asked about. */
const lastOf = Effect.fnUntraced(function*<E>(handled: Handled<E>, options?: { readonly transactional?: boolean }) {
  const seen = new Set<E>()
  const task = taskWith(handled, asking<E>(seen), options)
  yield* start({ tasks: [task] })
  const { error, tried } = yield* parked(yield* task.enqueue(new Begin()))
  return { error, tried, seen: Array.from(seen) }
})

/** Fails at COMMIT: the library's own statement, after the step's. */
const refusedLater = Effect.gen(function*() {
  yield* run("drop table if exists note")
  yield* run("create table note (id int primary key deferrable initially deferred)")
  yield* run("insert into note values (1)")
  return Effect.flatMap(SqlClient.SqlClient, (sql) => Effect.orDie(sql`insert into note values (1)`))
})

const badEnd = NextStep.now({ _tag: "End" as const, name: "" })

/** Each of these is no error of the handler's. */
const foreign: ReadonlyArray<
  readonly [string, Effect.Effect<Handled<Busy>, unknown, SqlClient.SqlClient>, transactional: boolean, text: string]
> = [
  ["a defect", Effect.succeed(Effect.die(new Error("oops"))), false, "Defect: Error: oops"],
  ["an interruption from inside", Effect.succeed(Effect.interrupt), false, "interrupted from inside"],
  ["a next state that doesn't fit", Effect.succeed(Effect.succeed(badEnd)), false, "TaskInvalidStateError"],
  ["the same in a transaction", Effect.succeed(Effect.succeed(badEnd)), true, "TaskInvalidStateError"],
  ["a refused COMMIT", Effect.map(refusedLater, (write) => Effect.as(write, NextStep.none)), true, "note_pkey"],
  [
    "a refused COMMIT of a commit effect",
    Effect.map(refusedLater, (commit) => Effect.succeed(NextStep.noneWith({ commit }))),
    false,
    "note_pkey"
  ]
]

workerTests("a retry schedule", (test) => {
  test(
    "is asked about the handler's errors",
    Effect.gen(function*() {
      const busy = new Busy()
      const { seen, tried } = yield* lastOf(Effect.fail(busy))
      assert.deepStrictEqual(seen, [busy])
      assert.strictEqual(tried, 4)
    })
  )

  test(
    "is asked about the errors of a commit",
    Effect.gen(function*() {
      const busy = new Busy()
      const { seen, tried } = yield* lastOf<Busy>(Effect.succeed(NextStep.noneWith({ commit: Effect.fail(busy) })))
      assert.deepStrictEqual(seen, [busy])
      assert.strictEqual(tried, 4)
    })
  )

  test(
    "is asked about the library's errors that the handler itself meets",
    Effect.gen(function*() {
      const others = Task.make("Others", [Step.make(End, { handler: () => Effect.succeed(NextStep.none) })])
      const handled: Handled<TaskError.EnqueueError> = Effect.as(
        others.enqueue({ _tag: "End", name: "" }),
        NextStep.none
      )
      const { seen, tried } = yield* lastOf(handled)
      assert.deepStrictEqual(seen.map(({ _tag }) => _tag), Array(4).fill("TaskInvalidStateError"))
      assert.strictEqual(tried, 4)
    })
  )

  for (const [title, making, transactional, text] of foreign) {
    test(
      `is not asked about ${title}, which parks the task if the schedule looks at errors`,
      Effect.gen(function*() {
        const { error, seen, tried } = yield* lastOf(yield* making, { transactional })
        assert.deepStrictEqual(seen, [])
        assert.strictEqual(tried, 1)
        assert.include(error, text)
        assert.notInclude(error, "schedule")
      })
    )

    test(
      `is followed after ${title}, if it doesn't look at errors`,
      Effect.gen(function*() {
        const task = taskWith(yield* making, soon, { transactional })
        yield* start({ tasks: [task] })
        const { error, tried } = yield* parked(yield* task.enqueue(new Begin()))
        assert.strictEqual(tried, 4)
        assert.include(error, text)
      })
    )
  }
})

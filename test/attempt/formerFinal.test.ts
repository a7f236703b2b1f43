/** Former final states: results that are kept are read as the state that took them over. */
import { assert } from "@effect/vitest"
import { Effect, Exit, Schema } from "effect"
import { Deploy, NextStep, Step, Task, TaskId } from "../../src/index.ts"
import { start, workerTests } from "../support/worker/Fixture.ts"
import { insert, row, rowWhere, run } from "../support/worker/Table.ts"

class Add extends Schema.TaggedClass<Add>()("Add", { a: Schema.Number }) {}
class Sum extends Schema.TaggedClass<Sum>()("Sum", { sum: Schema.Number }) {}
const Total = Schema.TaggedStruct("Total", { total: Schema.Number })

const steps = [
  Step.make(Add, { next: [Sum], handler: ({ a }) => Effect.succeed(NextStep.now(new Sum({ sum: a }))) }),
  Step.final(Sum, { from: [Step.former(Total, ({ total }) => new Sum({ sum: total }))] })
] as const

const Adder = Task.make("Adder", steps)
const Declared = Task.declare("Adder", { states: [Add], final: [Sum] })
const OfDeclared = Task.make(Declared, steps)

const old = `{"Adder":{"Total":{"total":7}}}`

/** A result that an older build has left. */
const kept = Effect.tap(
  Effect.map(insert(old), (id) => TaskId.TaskId.make(id)),
  (id) => run("update pg_task set ended_at = now(), kept_until = now() + interval '1 hour' where id = $1::uuid", [id])
)

workerTests("a result in a former final state", (test) => {
  test(
    "is read as the state that took it over, and rewritten as it",
    Effect.gen(function*() {
      const id = yield* kept
      for (const task of [Adder, OfDeclared]) {
        assert.deepStrictEqual(yield* task.peek(id), new Sum({ sum: 7 }))
        assert.deepStrictEqual(yield* task.await(id), new Sum({ sum: 7 }))
      }
      // Who knows the declaration alone knows no former states.
      assert.include(String(yield* Effect.exit(Declared.await(id))), `Adder has no state "Total"`)
      const report = yield* Deploy.check(Adder)
      assert.deepInclude(report, { unfit: [], checked: 1 })
      assert.deepStrictEqual(report.formers, [{ task: "Adder", former: "Total", step: "Sum", count: 1 }])
      assert.strictEqual((yield* Deploy.migrate(Adder)).migrated, 1)
      assert.deepStrictEqual(yield* Declared.await(id), new Sum({ sum: 7 }))
      const left = (yield* run<{ ended: boolean }>("select ended_at is not null as ended from pg_task"))[0]
      assert.deepStrictEqual(left, { ended: true })
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(OfDeclared.peek(id))))
    })
  )

  test(
    "is written as the new one where the task had not ended yet",
    Effect.gen(function*() {
      const id = yield* insert(old)
      yield* start({ tasks: [OfDeclared] })
      yield* rowWhere(id, (row) => row.step === `{"Adder":{"Sum":{"sum":7}}}`)
      assert.isDefined(yield* row(id))
      assert.deepStrictEqual(yield* Declared.await(TaskId.TaskId.make(id)), new Sum({ sum: 7 }))
    })
  )

  test(
    "is part of a snapshot",
    Effect.sync(() => {
      const before = Deploy.snapshot([Task.make("Adder", [steps[0], Step.final(Sum)])])
      const renamed = Deploy.snapshot([Adder])
      assert.deepStrictEqual(Deploy.compare(before, renamed), [])
      // The former state may go only when no row has it.
      assert.strictEqual(Deploy.compare(renamed, before).length, 1)
    })
  )
})

// Final states: what is inferred of them. Compiled only.
import { type Duration, Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { NextStep, Step, Task, type TaskError, type TaskId } from "../../../src/index.ts"
import { type Equal, holds } from "./Equal.ts"

class Add extends Schema.TaggedClass<Add>()("Add", { a: Schema.Number }) {}
class Sum extends Schema.TaggedClass<Sum>()("Sum", { sum: Schema.Number }) {}
class TooLarge extends Schema.TaggedClass<TooLarge>()("TooLarge", {}) {}

const add = Step.make(Add, {
  next: [Sum, TooLarge],
  handler: ({ a }) => Effect.succeed(a > 100 ? NextStep.now(new TooLarge()) : NextStep.now(new Sum({ sum: a })))
})
const sum = Step.final(Sum, { keep: "7 days" })
holds<Equal<typeof sum, Step.Final<typeof Sum>>>()
holds<Equal<typeof sum.keep, Duration.Duration>>()
holds<Equal<Step.State<typeof sum>, Sum>>()
holds<Equal<Step.Services<typeof sum>, never>>()
holds<Equal<Step.Error<typeof sum>, never>>()

const Adder = Task.make("Adder", [add, sum, Step.final(TooLarge)])
holds<Equal<Task.Result<typeof Adder>, Sum | TooLarge>>()
holds<Equal<Task.State<typeof Adder>, Add | Sum | TooLarge>>()
holds<Equal<Task.EntryState<typeof Adder>, Add>>()
holds<Equal<Task.Services<typeof Adder>, never>>()
Adder.enqueue(new Add({ a: 1 }))

const Declared = Task.declare("Adder", { states: [Add], final: [Sum, TooLarge] })
holds<Equal<typeof Declared.finals, ReadonlyArray<typeof Sum | typeof TooLarge>>>()
holds<Equal<Task.Result<typeof Declared>, Sum | TooLarge>>()
holds<Equal<Task.EntryState<typeof Declared>, Add>>()
const DeclaredTask = Task.make(Declared, [add, sum, Step.final(TooLarge)])
holds<Equal<Task.Result<typeof DeclaredTask>, Sum | TooLarge>>()
holds<Equal<Task.EntryState<typeof DeclaredTask>, Add>>()

// A final state takes over former ones: results that are kept are read as it.
const Total = Schema.TaggedStruct("Total", { total: Schema.Number })
const taking = Step.final(Sum, {
  keep: "1 day",
  from: [Step.former(Total, ({ total }) => new Sum({ sum: total }))]
})
holds<Equal<typeof taking, Step.Final<typeof Sum, Step.Former<typeof Total, Sum, never>>>>()
holds<Equal<Task.Result<ReturnType<typeof withFormer>>, Sum | TooLarge>>()
const withFormer = () => Task.make("Adder", [add, taking, Step.final(TooLarge)])

// A task without final states has no result.
const Plain = Task.make("Plain", [Step.make(Add, { handler: () => Effect.succeed(NextStep.none) })])
holds<Equal<Task.Result<typeof Plain>, never>>()

export const tasks: ReadonlyArray<Task.Any<never>> = [Adder, DeclaredTask, Plain]

// What a task comes to.
declare const id: TaskId.TaskId
const executed = Adder.execute(new Add({ a: 1 }), { delay: "1 minute", onParked: "wait" })
holds<Equal<typeof executed, Effect.Effect<Sum | TooLarge, TaskError.ExecuteError, SqlClient.SqlClient>>>()
const awaited = Declared.await(id)
holds<Equal<typeof awaited, Effect.Effect<Sum | TooLarge, TaskError.AwaitError, SqlClient.SqlClient>>>()
const peeked = Declared.peek(id)
holds<Equal<typeof peeked, Effect.Effect<Add | Sum | TooLarge, TaskError.PeekError, SqlClient.SqlClient>>>()
Plain.peek(id)

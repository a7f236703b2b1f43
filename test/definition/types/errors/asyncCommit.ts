// `asyncCommit` excludes what is committed together with a step's move.
import { Context, Data, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { NextStep, Step } from "effect-pg-task"

class Draft extends Schema.TaggedClass<Draft>()("Draft", {}) {}
class Sent extends Schema.TaggedClass<Sent>()("Sent", {}) {}
class Refused extends Data.TaggedError("Refused") {}
class Outbox extends Context.Service<Outbox, { readonly put: Effect.Effect<void> }>()("Outbox") {}

const handler = () => Effect.succeed(NextStep.none)

export const transactional = Step.make(Draft, {
  asyncCommit: true,
  // error: a transactional step always waits for the disk: give either `transactional` or `asyncCommit`
  transactional: true,
  handler
})

export const eitherWay = (fast: boolean, safe: boolean) =>
  Step.make(Draft, {
    // error: a transactional step always waits for the disk: give either `transactional` or `asyncCommit`
    transactional: safe,
    asyncCommit: fast,
    handler
  })

export const commit = Step.make(Draft, {
  next: [Sent],
  asyncCommit: true,
  // error: a `commit` always waits for the disk: leave out `asyncCommit`
  handler: Effect.fnUntraced(function*() {
    const sql = yield* SqlClient.SqlClient
    return NextStep.now(new Sent(), { commit: sql`update mail set sent = true` })
  })
})

export const commitAtTheEnd = Step.make(Draft, {
  asyncCommit: true,
  // error: a `commit` always waits for the disk: leave out `asyncCommit`
  handler: () => Effect.succeed(NextStep.noneWith({ commit: Effect.fail(new Refused()) }))
})

export const commitThatNeeds = Step.make(Draft, {
  asyncCommit: true,
  // error: a `commit` always waits for the disk: leave out `asyncCommit`
  handler: () => Effect.succeed(NextStep.noneWith({ commit: Outbox.use(({ put }) => put) }))
})

export const commitSometimes = Step.make(Draft, {
  asyncCommit: true,
  // error: a `commit` always waits for the disk: leave out `asyncCommit`
  handler: Effect.fnUntraced(function*() {
    const sql = yield* SqlClient.SqlClient
    return (yield* Effect.succeed(true)) ? NextStep.none : NextStep.noneWith({ commit: sql`select 1` })
  })
})

export const text = Step.make(Draft, {
  // error: Type 'string' is not assignable to type 'boolean | undefined'
  asyncCommit: "yes",
  handler
})

export const otherMistakes = Step.make(Draft, {
  asyncCommit: true,
  // error: this last step moves to "Sent": add it to `next`, or return NextStep.none
  handler: () => Effect.succeed(NextStep.now(new Sent()))
})

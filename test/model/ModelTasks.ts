/** The tasks of the model test: their handlers do what the test tells them, so that it knows what must come of it. */
import { Context, DateTime, Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { NextStep, Step, Task } from "../../src/index.ts"

export class Plain extends Schema.TaggedClass<Plain>()("Plain", { n: Schema.Int }) {}
/** Its step is transactional. */
export class Safe extends Schema.TaggedClass<Safe>()("Safe", { n: Schema.Int }) {}
export class Only extends Schema.TaggedClass<Only>()("Only", { n: Schema.Int }) {}

const hour = 3_600_000
const far = DateTime.makeUnsafe("2100-01-01T00:00:00.123Z")
const past = DateTime.makeUnsafe("2001-01-01T00:00:00.456Z")
export const moments = { far, past }
export const waits = { hour, retry: 2 * hour }

/** What a handler does. */
export const Answer = Schema.Struct({
  does: Schema.Literals([
    "finish",
    "finish",
    "now",
    "now",
    "now",
    "now",
    "delay",
    "delay by nothing",
    "at a future moment",
    "at a past moment",
    "fail",
    "fail",
    "die",
    "interrupt itself",
    /** Is not called at all: its worker gives the task back. */
    "not run"
  ]),
  to: Schema.Literals(["Plain", "Plain", "Safe"]),
  n: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 })),
  commit: Schema.Literals(["nothing", "nothing", "nothing", "nothing", "a note", "a note", "a failure"])
})
export type Answer = typeof Answer.Type

/** What the handler under way is to do. */
export class Script extends Context.Service<Script, Answer>()("test/model/Script") {}

/** What was noted about each attempt that ran: how it was told who it is. */
export interface Told {
  readonly id: string
  readonly attempt: number
  readonly key: string
}

export class Ears extends Context.Service<Ears, { readonly hear: (told: Told) => void }>()("test/model/Ears") {}

export const createNotes = "create table if not exists note (key text not null)"

const note = (key: string) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql`insert into note ${sql.insert({ key })}`)

const commitOf = ({ commit }: Answer, key: string): NextStep.Options<string | SqlError, SqlClient.SqlClient> =>
  commit === "a note"
    ? { commit: note(key) }
    : commit === "a failure"
    ? { commit: Effect.andThen(note(key), Effect.fail("the commit failed")) }
    : {}

const nextOf = (answer: Answer, key: string) => {
  const state = answer.to === "Plain" ? new Plain({ n: answer.n }) : new Safe({ n: answer.n })
  const options = commitOf(answer, key)
  switch (answer.does) {
    case "finish":
      return Effect.succeed(NextStep.noneWith(options))
    case "now":
      return Effect.succeed(NextStep.now(state, options))
    case "delay":
      return Effect.succeed(NextStep.delay(state, hour, options))
    case "delay by nothing":
      return Effect.succeed(NextStep.delay(state, 0, options))
    case "at a future moment":
      return Effect.succeed(NextStep.at(state, far, options))
    case "at a past moment":
      return Effect.succeed(NextStep.at(state, past, options))
    case "fail":
      return Effect.fail("it failed")
    case "die":
      return Effect.die(new Error("it died"))
    case "interrupt itself":
      return Effect.interrupt
    case "not run":
      return Effect.die(new Error("ran, and should not have"))
  }
}

/** Every handler. A transactional one leaves a note itself. */
const follow = (transactional: boolean) =>
  Effect.gen(function*() {
    const { attempt, id, idempotencyKey } = yield* Step.Context
    const { hear } = yield* Ears
    hear({ id, attempt, key: idempotencyKey })
    if (transactional) yield* note(idempotencyKey)
    return yield* nextOf(yield* Script, idempotencyKey)
  })

export const Walk = Task.make("Walk", [
  Step.make(Plain, {
    next: [Plain, Safe],
    retryLimit: 2,
    retryDelay: waits.retry,
    handler: () => follow(false)
  }),
  Step.make(Safe, {
    next: [Plain],
    transactional: true,
    retryLimit: 1,
    retryDelay: 0,
    // As a caller in plain JavaScript may, it also tries to move to itself, which it must not.
    handler: () => follow(true) as never
  })
])

/** Known to one of the two workers only. */
export const Other = Task.make("Other", [
  Step.make(Only, { handler: () => Effect.as(follow(false), NextStep.none) })
])

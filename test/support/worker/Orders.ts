/** A task that waits for an approval, and where its steps say what they did. */
import { Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { NextStep, Step, Task } from "../../../src/index.ts"
import { note } from "./Notes.ts"

export class Place extends Schema.TaggedClass<Place>()("Place", { order: Schema.String }) {}
export class AwaitApproval extends Schema.TaggedClass<AwaitApproval>()("AwaitApproval", { order: Schema.String }) {}
export class Pack extends Schema.TaggedClass<Pack>()("Pack", { order: Schema.String, by: Schema.String }) {}
export class Approved extends Schema.TaggedClass<Approved>()("Approved", { by: Schema.String }) {}
export class Rejected extends Schema.TaggedClass<Rejected>()("Rejected", { why: Schema.String }) {}

const place = Step.make(Place, {
  next: [AwaitApproval],
  handler: ({ order }) => Effect.succeed(NextStep.now(new AwaitApproval({ order })))
})

const pack = Step.make(Pack, {
  handler: ({ by, order }) => Effect.as(note(`packed ${order} for ${by}`), NextStep.none)
})

/** What each of its attempts does before it moves on. */
export type Act = (what: string) => Effect.Effect<unknown, unknown, SqlClient.SqlClient | Step.Context>

interface Options {
  readonly timeout?: "1 hour" | "50 millis"
  readonly retryLimit?: number
  readonly retryDelay?: "10 millis" | "1 hour"
}

/** `act` runs in each attempt of the waiting state. */
export const makeOrders = (act: Act = () => Effect.void, { timeout = "1 hour", ...retries }: Options = {}) =>
  Task.make("Orders", [
    place,
    Step.wait(AwaitApproval, (on) => [
      on(Approved, {
        ...retries,
        next: [Pack],
        handler: ({ order }, { by }) => Effect.as(act(`approved by ${by}`), NextStep.now(new Pack({ order, by })))
      }),
      on(Rejected, {
        ...retries,
        handler: ({ order }, { why }) =>
          Effect.as(Effect.andThen(act(`rejected: ${why}`), note(`rejected ${order}: ${why}`)), NextStep.none)
      }),
      on.timeout(timeout, {
        ...retries,
        handler: ({ order }) => Effect.as(Effect.andThen(act("timed out"), note(`timed out ${order}`)), NextStep.none)
      })
    ]),
    pack
  ])

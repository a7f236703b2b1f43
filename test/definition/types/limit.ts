/** A limit's functions get the state of the step that it is given to. */
import { Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { Limit, NextStep, Step, type TaskError } from "effect-pg-task"

class Sync extends Schema.TaggedClass<Sync>()("Sync", { tenant: Schema.String, plan: Schema.Literals(["s", "l"]) }) {}
class Mail extends Schema.TaggedClass<Mail>()("Mail", { tenant: Schema.String }) {}

const Tenant = Limit.make("tenant", { running: 2 })

export const rated = Limit.make("rated", { rate: { limit: 100, per: "1 minute" } })
export const both = Limit.make("both", { running: 2, rate: { limit: 100, per: "1 minute" } })
export const backOffs: Effect.Effect<void, TaskError.TaskTableError | SqlError, SqlClient> = Effect.andThen(
  rated.backOff("30 seconds"),
  Tenant.backOff("30 seconds", { key: "acme" })
)

/** Made apart, it fits each state that has what it reads. */
const byTenant = Tenant.by(({ tenant }: { readonly tenant: string }) => tenant)

const handler = () => Effect.succeed(NextStep.none)

export const shared = Step.make(Sync, { limit: Tenant, handler })
export const inferred = Step.make(Sync, { limit: Tenant.by(({ tenant }) => tenant), handler })
export const ofState = Step.make(Sync, {
  limit: Tenant.by((sync) => sync.tenant, { running: ({ plan }) => plan === "l" ? 10 : 1 }),
  handler: (sync) => Effect.as(Effect.log(sync.plan), NextStep.none)
})
export const byBoth = [Step.make(Sync, { limit: byTenant, handler }), Step.make(Mail, { limit: byTenant, handler })]
export const absent = Step.make(Sync, { limit: undefined, handler })

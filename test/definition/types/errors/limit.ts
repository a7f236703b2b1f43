// A limit must fit the state of its step.
import { Effect, Schema } from "effect"
import { Limit, NextStep, Step } from "effect-pg-task"

class Mail extends Schema.TaggedClass<Mail>()("Mail", { to: Schema.String }) {}

const Tenant = Limit.make("tenant", { running: 2 })
const byTenant = Tenant.by(({ tenant }: { readonly tenant: string }) => tenant)

const handler = () => Effect.succeed(NextStep.none)

export const otherState = Step.make(Mail, {
  // error: Property 'tenant' is missing
  limit: byTenant,
  handler
})

export const noField = Step.make(Mail, {
  // error: Property 'tenant' does not exist on type 'Mail'
  limit: Tenant.by(({ tenant }) => tenant),
  handler
})

export const noText = Step.make(Mail, {
  // error: Type 'number' is not assignable to type 'string'
  limit: Tenant.by(({ to }) => to.length),
  handler
})

export const name = Step.make(Mail, {
  // error: Type 'string' is not assignable to type
  limit: "tenant",
  handler
})

// error: not assignable to parameter of type
export const unlimited = Limit.make("tenant", {})

export const noPer = Limit.make("tenant", {
  // error: Property 'per' is missing
  rate: { limit: 5 }
})

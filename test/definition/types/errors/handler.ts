// What a handler returns: a NextStep, to a state that its step declares.
import { Effect, Random, Schema } from "effect"
import { NextStep, Step } from "effect-pg-task"

class Draft extends Schema.TaggedClass<Draft>()("Draft", {}) {}
class Sent extends Schema.TaggedClass<Sent>()("Sent", { to: Schema.String }) {}
class Paid extends Schema.TaggedClass<Paid>()("Paid", {}) {}

export const undeclared = Step.make(Draft, {
  next: [Sent],
  // error: this step moves to "Paid", which is not in its `next`
  handler: () => Effect.succeed(NextStep.now(new Paid()))
})

export const undeclaredDelay = Step.make(Draft, {
  next: [Sent],
  // error: this step moves to "Paid", which is not in its `next`
  handler: () => Effect.succeed(NextStep.delay(new Paid(), "1 day"))
})

export const inGenerator = Step.make(Draft, {
  next: [Sent],
  // error: this step moves to "Paid", which is not in its `next`
  handler: Effect.fnUntraced(function*() {
    const paid = yield* Random.nextBoolean
    return paid ? NextStep.now(new Paid()) : NextStep.now(new Sent({ to: "ada" }))
  })
})

export const inGen = Step.make(Draft, {
  next: [Sent],
  // error: this step moves to "Paid", which is not in its `next`
  handler: () =>
    Effect.gen(function*() {
      yield* Effect.void
      return NextStep.now(new Paid())
    })
})

export const itself = Step.make(Draft, {
  next: [Sent],
  // error: this step moves to "Draft", which is not in its `next`
  handler: (draft) => Effect.succeed(NextStep.delay(draft, "1 hour"))
})

export const final = Step.make(Sent, {
  // error: this last step moves to "Paid": add it to `next`, or return NextStep.none
  handler: () => Effect.succeed(NextStep.now(new Paid()))
})

export const otherFields = Step.make(Draft, {
  next: [Sent],
  // error: this step moves to a "Sent" that differs from the state of that tag in `next`: look at its `to`
  handler: () => Effect.succeed(NextStep.now({ _tag: "Sent", to: 5 }))
})

export const anyState = Step.make(Draft, {
  next: [Sent],
  // error: this handler moves to a state of type `any`
  handler: () => Effect.sync(() => NextStep.now(JSON.parse("{}")))
})

const somewhere: NextStep.NextStep<unknown> = NextStep.now(new Paid())

export const unknownState = Step.make(Draft, {
  next: [Sent],
  // error: this handler moves to a state of unknown type
  handler: () => Effect.succeed(somewhere)
})

export const nothing = Step.make(Draft, {
  // error: this handler's effect must succeed with a NextStep: NextStep.none, now, delay or at
  handler: () => Effect.log("done")
})

export const sometimesNothing = Step.make(Draft, {
  // error: this handler's effect must succeed with a NextStep: NextStep.none, now, delay or at
  handler: Effect.fnUntraced(function*() {
    if (yield* Random.nextBoolean) return NextStep.none
  })
})

export const bareState = Step.make(Draft, {
  next: [Sent],
  // error: this handler's effect succeeds with a "Sent" itself, not with a NextStep: return NextStep.now of it
  handler: () => Effect.succeed(new Sent({ to: "ada" }))
})

export const noEffect = Step.make(Draft, {
  // error: Type 'NextStep<never, never, never>' is missing the following properties from type 'Effect<
  handler: () => NextStep.none
})

export const promise = Step.make(Draft, {
  // error: Type 'Promise<NextStep<never, never, never>>' is missing the following properties from type 'Effect<
  handler: async () => NextStep.none
})

export const noFunction = Step.make(Draft, {
  // error: Type 'Effect<NextStep<never, never, never>, never, never>' provides no match for the signature '(state: Draft): any'
  handler: Effect.succeed(NextStep.none)
})

export const ofAnotherState = Step.make(Draft, {
  // error: Property 'to' is missing in type 'Draft' but required in type 'Sent'
  handler: ({ to }: Sent) => Effect.as(Effect.log(to), NextStep.none)
})

// error: Property 'handler' is missing
export const none = Step.make(Draft, {})

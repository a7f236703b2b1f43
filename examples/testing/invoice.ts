/**
 * The task that `invoice.test.ts` tests: an invoice goes out, and two weeks later a reminder, unless it was paid.
 */
import { Context, Effect, Schema } from "effect"
import { NextStep, Step, Task } from "effect-pg-task"

export class Bounced extends Schema.TaggedError<Bounced>()("Bounced", { to: Schema.String }) {}

export class Post extends Context.Service<Post, {
  readonly send: (to: string, text: string) => Effect.Effect<void, Bounced>
  readonly isPaid: (to: string) => Effect.Effect<boolean>
}>()("Post") {}

export class Send extends Schema.TaggedClass<Send>()("Send", { to: Schema.String }) {}
export class Remind extends Schema.TaggedClass<Remind>()("Remind", { to: Schema.String }) {}

const send = Step.make(Send, {
  next: [Remind],
  retryLimit: 1,
  retryDelay: "1 hour",
  handler: Effect.fnUntraced(function*({ to }) {
    const post = yield* Post
    yield* post.send(to, "Your invoice")
    return NextStep.delay(new Remind({ to }), "14 days")
  })
})

const remind = Step.make(Remind, {
  handler: Effect.fnUntraced(function*({ to }) {
    const post = yield* Post
    if (!(yield* post.isPaid(to))) yield* post.send(to, "Your invoice, again")
    return NextStep.none
  })
})

export const Invoice = Task.make("Invoice", [send, remind])

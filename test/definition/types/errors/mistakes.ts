// What beginners (and everybody, once a week) get wrong, at the size of real code.
import { Context, Data, Effect, FileSystem, Layer, Schedule, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { NextStep, Step, Task, Worker } from "effect-pg-task"

class Timeout extends Data.TaggedError("Timeout")<{ readonly after: number }> {}
class Refused extends Data.TaggedError("Refused")<{ readonly why: string }> {}
class Mailer extends Context.Service<
  Mailer,
  { readonly send: (to: string) => Effect.Effect<void, Timeout | Refused> }
>()("Mailer") {}

class Draft extends Schema.TaggedClass<Draft>()("Draft", {
  text: Schema.String,
  to: Schema.Array(Schema.String),
  at: Schema.DateTimeUtcFromString,
  note: Schema.optionalKey(Schema.String)
}) {}
class Sent extends Schema.TaggedClass<Sent>()("Sent", { to: Schema.String, id: Schema.Number }) {}
class Paid extends Schema.TaggedClass<Paid>()("Paid", { cents: Schema.Number }) {}
class Failed extends Schema.TaggedClass<Failed>()("Failed", { why: Schema.String }) {}
const Note = Schema.TaggedStruct("Note", { text: Schema.String, n: Schema.Number })

const work = Effect.fnUntraced(function*(draft: Draft) {
  const fs = yield* FileSystem.FileSystem
  yield* (yield* Mailer).send(yield* fs.readFileString(draft.text))
  return 5
})

export const undeclaredMove = Step.make(Draft, {
  next: [Sent, Failed],
  retryLimit: 5,
  // error: this step moves to "Paid", which is not in its `next`
  handler: Effect.fnUntraced(function*(draft) {
    const id = yield* work(draft)
    if (id > 4) return NextStep.now(new Paid({ cents: id }))
    if (id > 3) return NextStep.delay(new Failed({ why: "" }), "1 day")
    return NextStep.now(new Sent({ to: "ada", id }))
  })
})

export const noNext = Step.make(Draft, {
  // error: this last step moves to "Sent": add it to `next`, or return NextStep.none
  handler: Effect.fnUntraced(function*(draft) {
    const id = yield* work(draft)
    return NextStep.now(new Sent({ to: "ada", id }))
  })
})

export const forgottenReturn = Step.make(Draft, {
  next: [Sent],
  // error: this handler's effect must succeed with a NextStep: NextStep.none, now, delay or at
  handler: Effect.fnUntraced(function*(draft) {
    const id = yield* work(draft)
    if (id > 4) return NextStep.now(new Sent({ to: "ada", id }))
  })
})

export const bareState = Step.make(Draft, {
  next: [Sent],
  // error: this handler's effect succeeds with a "Sent" itself, not with a NextStep: return NextStep.now of it
  handler: Effect.fnUntraced(function*(draft) {
    return new Sent({ to: "ada", id: yield* work(draft) })
  })
})

export const async = Step.make(Draft, {
  next: [Sent],
  // error: Type 'Promise<NextStep<Sent, never, never>>' is missing the following properties from type 'Effect<
  handler: async (draft) => NextStep.now(new Sent({ to: draft.text, id: 1 }))
})

export const missingField = Step.make(Draft, {
  next: [Sent],
  handler: Effect.fnUntraced(function*(draft) {
    yield* work(draft)
    // error: Property 'id' is missing in type '{ to: string; }'
    return NextStep.now(new Sent({ to: draft.text }))
  })
})

const sent = Step.make(Sent, { handler: () => Effect.succeed(NextStep.none) })

export const stepInNext = Step.make(Draft, {
  // error: Type 'Step<typeof Sent, never, never, never, never>' is missing the following properties from type 'StateSchema
  next: [sent],
  handler: Effect.fnUntraced(function*(draft) {
    return NextStep.now(new Sent({ to: draft.text, id: yield* work(draft) }))
  })
})

export const narrowSchedule = Step.make(Draft, {
  next: [Sent],
  // error: this schedule takes no "Refused", with which the handler may fail: widen its input
  retry: Schedule.exponential("1 second").pipe(
    Schedule.setInputType<Timeout>(),
    Schedule.while(({ input }) => input.after > 5)
  ),
  handler: Effect.fnUntraced(function*(draft) {
    return NextStep.now(new Sent({ to: draft.text, id: yield* work(draft) }))
  })
})

export const scheduleAndLimit = Step.make(Draft, {
  next: [Sent],
  retry: Schedule.exponential("1 second"),
  // error: give either `retry`, or `retryLimit` and `retryDelay`
  retryLimit: 5,
  handler: Effect.fnUntraced(function*(draft) {
    return NextStep.now(new Sent({ to: draft.text, id: yield* work(draft) }))
  })
})

const draft = Step.make(Draft, {
  next: [Sent, Failed],
  handler: Effect.fnUntraced(function*(draft) {
    const id = yield* work(draft)
    if (id > 3) return NextStep.delay(new Failed({ why: "" }), "1 day")
    return NextStep.now(new Sent({ to: "ada", id }))
  })
})
const failed = Step.make(Failed, { handler: () => Effect.succeed(NextStep.none) })

export const missingStep = Task.make("Mails", [
  // error: step "Draft" moves to "Failed", but no step of this task has that state
  draft,
  sent
])

export const stepTwice = Task.make("Mails", [
  draft,
  // error: two steps of this task have the state "Sent"
  sent,
  failed,
  // error: two steps of this task have the state "Sent"
  sent
])

const Mails = Task.make("Mails", [draft, sent, failed])

// error: Type 'Paid' is missing the following properties from type 'Sent'
export const stateOfAnotherTask = Mails.enqueue(new Paid({ cents: 5 }))

declare const PgLive: Layer.Layer<SqlClient.SqlClient>
const MailsLive = Worker.layer({ tasks: [Mails] }).pipe(Layer.provide(PgLive))

// error: Type 'FileSystem' is not assignable to type 'never'
export const missingService = Effect.runPromise(Layer.launch(MailsLive))

// error: two tasks of this worker have the name "Mails"
export const taskTwice = Worker.layer({ tasks: [Mails, Mails], concurrency: 5 })

// error: is not assignable to type 'Member'
export const stepInWorker = Worker.layer({ tasks: [draft] })

export const misspeltOption = Step.make(Draft, {
  next: [Sent],
  // error: 'retryLimits' does not exist in type 'Options<typeof Draft,
  retryLimits: 5,
  handler: Effect.fnUntraced(function*(draft) {
    return NextStep.now(new Sent({ to: draft.text, id: yield* work(draft) }))
  })
})

export const otherFields = Step.make(Draft, {
  next: [Note],
  // error: this step moves to a "Note" that differs from the state of that tag in `next`: look at its `n`
  handler: Effect.fnUntraced(function*(draft) {
    yield* work(draft)
    return NextStep.now({ _tag: "Note", text: draft.text })
  })
})

export const noFunction = Step.make(Draft, {
  // error: Type 'Effect<NextStep<never, never, never>, never, never>' provides no match for the signature
  handler: Effect.gen(function*() {
    return NextStep.none
  })
})

// error: Property '_tag' is missing in type '{ to: string; id: number; }'
export const rawFields = Mails.enqueue({ to: "x", id: 1 })

declare const anything: Effect.Effect<any>

export const anySuccess = Step.make(Draft, {
  next: [Sent],
  // error: this handler's effect must succeed with a NextStep: NextStep.none, now, delay or at
  handler: () => anything
})

export const yieldedNextStep = Step.make(Draft, {
  // error: this handler's effect must succeed with a NextStep: NextStep.none, now, delay or at
  handler: Effect.fnUntraced(function*() {
    // error: Type 'NextStep<never, never, never>' must have a '[Symbol.iterator]()' method
    return yield* NextStep.none
  })
})

// error: Type 'Step<typeof Sent, never, never, never, never>' is missing the following properties from type 'readonly Any
export const noArray = Task.make("Mails", sent)

// error: is missing the following properties from type 'readonly Any<unknown>[]'
export const noArrayOfTwo = Task.make("Mails", draft, sent)

export const instanceInNext = Step.make(Draft, {
  // error: Type 'Failed' is missing the following properties from type 'StateSchema
  next: [new Failed({ why: "" })],
  handler: () => Effect.succeed(NextStep.none)
})

export const noArrayInNext = Step.make(Draft, {
  // error: Type 'typeof Sent' is missing the following properties from type 'readonly StateSchema
  next: Sent,
  handler: () => Effect.succeed(NextStep.now(new Sent({ to: "", id: 1 })))
})

const options = { next: [Sent], handler: () => Effect.succeed(NextStep.now(new Paid({ cents: 1 }))) }

// error: this step moves to "Paid", which is not in its `next`
export const optionsElsewhere = Step.make(Draft, options)

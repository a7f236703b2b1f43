// What is inferred of steps: nothing is annotated but what is checked. Compiled only.
import {
  Context,
  Data,
  DateTime,
  type Duration,
  Effect,
  FileSystem,
  Option,
  Predicate,
  Random,
  Schedule,
  Schema,
  type Scope
} from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { NextStep, RetryPolicy, Step } from "../../../src/index.ts"
import { type Equal, holds } from "./Equal.ts"

class Draft extends Schema.TaggedClass<Draft>()("Draft", { text: Schema.String }) {}
class Sent extends Schema.TaggedClass<Sent>()("Sent", { at: Schema.DateTimeUtcFromString }) {}
const Paid = Schema.TaggedStruct("Paid", { by: Schema.Option(Schema.String) })

class Timeout extends Data.TaggedError("Timeout") {}
class Refused extends Data.TaggedError("Refused") {}
class Mailer extends Context.Service<Mailer, { readonly send: (text: string) => Effect.Effect<void, Refused> }>()(
  "Mailer"
) {}

// A last step: no `next`, no errors, no services.
const paid = Step.make(Paid, {
  handler: (state) => {
    holds<Equal<typeof state, typeof Paid.Type>>()
    return Effect.succeed(NextStep.none)
  }
})
holds<Equal<typeof paid, Step.Step<typeof Paid, never, never, never>>>()
holds<Equal<typeof paid.tag, "Paid">>()
holds<Equal<Step.State<typeof paid>, typeof Paid.Type>>()
holds<Equal<Step.Error<typeof paid>, never>>()
holds<Equal<Step.Services<typeof paid>, never>>()

// Generators: the state's type is known, errors and services are gathered.
const draft = Step.make(Draft, {
  next: [Sent, Paid],
  handler: Effect.fnUntraced(function*(state) {
    holds<Equal<typeof state, Draft>>()
    const fs = yield* FileSystem.FileSystem
    const text = yield* fs.readFileString(state.text).pipe(Effect.catchTag("PlatformError", () => new Timeout()))
    yield* (yield* Mailer).send(text)
    if (yield* Random.nextBoolean) return NextStep.none
    return text === "" ? NextStep.now(Paid.make({ by: Option.none() })) : NextStep.delay(new Sent({ at: now }), "1 day")
  })
})
const now = DateTime.makeUnsafe("2030-01-01T00:00:00Z")
holds<Equal<Step.State<typeof draft>, Draft>>()
holds<Equal<Step.Error<typeof draft>, Timeout | Refused>>()
holds<Equal<Step.Services<typeof draft>, FileSystem.FileSystem | Mailer>>()
holds<Equal<(typeof draft.next)[number], typeof Sent | typeof Paid>>()

// The same with Effect.gen, Effect.fn, pipes and plain functions.
const variants = [
  Step.make(Draft, {
    next: [Sent],
    handler: ({ text }) =>
      Effect.gen(function*() {
        yield* (yield* Mailer).send(text)
        return NextStep.at(new Sent({ at: now }), now)
      })
  }),
  Step.make(Draft, {
    next: [Sent],
    handler: Effect.fn("draft")(function*({ text }) {
      yield* (yield* Mailer).send(text)
      return NextStep.now(new Sent({ at: now }))
    })
  }),
  Step.make(Draft, {
    next: [Sent],
    handler: ({ text }) =>
      Mailer.pipe(
        Effect.flatMap(({ send }) => send(text)),
        Effect.as(NextStep.now(new Sent({ at: now })))
      )
  })
]
holds<Equal<(typeof variants)[number], Step.Step<typeof Draft, typeof Sent, Refused, Mailer>>>()

// A handler declared elsewhere.
const handleDraft = (state: Draft): Effect.Effect<NextStep.NextStep<Sent>, Timeout> =>
  state.text === "" ? Effect.fail(new Timeout()) : Effect.succeed(NextStep.now(new Sent({ at: now })))
const elsewhere = Step.make(Draft, { next: [Sent], handler: handleDraft })
holds<Equal<Step.Error<typeof elsewhere>, Timeout>>()

// It may move to fewer states than it declares, to none at all, or never succeed.
Step.make(Draft, { next: [Sent, Paid], handler: () => Effect.succeed(NextStep.none) })
Step.make(Draft, { next: [Sent], handler: () => Effect.fail(new Timeout()) })
Step.make(Draft, { handler: () => Effect.never })
Step.make(Draft, { handler: () => Effect.interrupt })

// A loop, and a plain object for a struct's state.
Step.make(Draft, { next: [Draft], handler: (state) => Effect.succeed(NextStep.delay(state, "1 hour")) })
Step.make(Draft, { next: [Paid], handler: () => Effect.succeed(NextStep.now({ _tag: "Paid", by: Option.none() })) })

// The worker provides a scope and the attempt's context to each step.
const scoped = Step.make(Draft, {
  handler: Effect.fnUntraced(function*() {
    yield* Effect.acquireRelease(Mailer, () => Effect.void)
    const { attempt, id, idempotencyKey, step, task } = yield* Step.Context
    holds<Equal<typeof attempt, number>>()
    yield* Effect.log(id, idempotencyKey, step, task)
    return NextStep.none
  })
})
holds<Equal<Step.Services<typeof scoped>, Mailer>>()

// A commit effect's errors and services are the step's, too; a scope and the context are provided to it as well.
const commit = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const { idempotencyKey } = yield* Step.Context
  yield* Effect.addFinalizer(() => Effect.void)
  yield* sql`insert into payment values (${idempotencyKey})`
})
holds<Equal<typeof commit, Effect.Effect<void, SqlError, SqlClient.SqlClient | Step.Context | Scope.Scope>>>()
const committing = Step.make(Draft, {
  next: [Sent],
  handler: ({ text }) =>
    text === ""
      ? new Timeout()
      : Effect.succeed(text === "x" ? NextStep.noneWith({ commit }) : NextStep.now(new Sent({ at: now }), { commit }))
})
holds<Equal<Step.Error<typeof committing>, Timeout | SqlError>>()
holds<Equal<Step.Services<typeof committing>, SqlClient.SqlClient>>()

// `retry` takes schedules of any output, whose input is no narrower than the step's errors.
const failing = () => Math.random() > 0.5 ? Effect.fail(new Timeout()) : Effect.fail(new Refused())
Step.make(Draft, { handler: failing, retry: Schedule.exponential("1 second") })
Step.make(Draft, { handler: failing, retry: Schedule.exponential("1 second").pipe(Schedule.jittered) })
Step.make(Draft, {
  handler: failing,
  retry: Schedule.min([Schedule.exponential("1 second"), Schedule.spaced("1 minute")]).pipe(Schedule.upTo({ times: 9 }))
})
Step.make(Draft, {
  retry: Schedule.spaced("1 second").pipe(
    Schedule.setInputType<Timeout | Refused>(),
    Schedule.while(({ input }) => input._tag === "Timeout")
  ),
  handler: failing
})
Step.make(Draft, {
  retry: Schedule.spaced("1 second").pipe(
    Schedule.setInputType<Timeout | Refused | SqlError>(),
    Schedule.while(({ input }) => input._tag === "Timeout")
  ),
  handler: failing
})
Step.make(Draft, {
  retry: Schedule.spaced("1 second").pipe(
    Schedule.while(({ input }: { readonly input: Timeout | Refused }) => input._tag === "Timeout")
  ),
  handler: failing
})
// One that tells errors apart and takes any: it still fits when a commit adds its own.
const onlyTimeouts = Schedule.spaced("1 second").pipe(
  Schedule.while(({ input }) => Predicate.isTagged(input, "Timeout"))
)
Step.make(Draft, { handler: failing, retry: onlyTimeouts })
Step.make(Draft, {
  retry: onlyTimeouts,
  handler: () => Math.random() > 0.5 ? failing() : Effect.succeed(NextStep.noneWith({ commit }))
})
const retried = Step.make(Draft, { handler: failing, retry: Schedule.forever })
holds<Equal<Step.Error<typeof retried>, Timeout | Refused>>()
Step.make(Draft, { handler: failing, retryLimit: 5, retryDelay: { minutes: 5 }, transactional: true })
Step.make(Draft, { handler: failing, retryLimit: Infinity })
const asynchronous = Step.make(Draft, { next: [Sent], handler: failing, asyncCommit: true, transactional: false })
holds<Equal<Step.Error<typeof asynchronous>, Timeout | Refused>>()
Step.make(Draft, { handler: failing, asyncCommit: false, transactional: true })
Step.make(Draft, { handler: () => Effect.succeed(NextStep.noneWith({ commit })), asyncCommit: false })

// Steps can be made by functions that know no more of a state than that it is one, or its tag at run time only.
export const logging = <S extends { readonly _tag: string }>(schema: Schema.Codec<S, any>) =>
  Step.make(schema, { retryLimit: 5, handler: (state) => Effect.as(Effect.log(state._tag), NextStep.none) })
export const tagged = (tag: string) =>
  Step.make(Schema.TaggedStruct(tag, {}), { handler: () => Effect.succeed(NextStep.none) })
export const handled = <E, R>(handler: (state: Draft) => Effect.Effect<NextStep.NextStep<Sent>, E, R>) =>
  Step.make(Draft, { next: [Sent], handler })
const handledStep = handled(({ text }) => Effect.as(Effect.flatMap(Mailer, ({ send }) => send(text)), NextStep.none))
holds<Equal<Step.Error<typeof handledStep>, Refused>>()
holds<Equal<Step.Services<typeof handledStep>, Mailer>>()

// Every option may be undefined, as a variable may be.
declare const maybe: {
  readonly next: readonly [typeof Sent] | undefined
  readonly number: number | undefined
  readonly duration: Duration.Input | undefined
  readonly boolean: boolean | undefined
  readonly schedule: Schedule.Schedule<unknown> | undefined
  readonly commit: Effect.Effect<void> | undefined
}
Step.make(Draft, {
  next: maybe.next,
  retryLimit: maybe.number,
  retryDelay: maybe.duration,
  transactional: maybe.boolean,
  asyncCommit: undefined,
  handler: () => Effect.succeed(NextStep.noneWith({ commit: maybe.commit }))
})
Step.make(Draft, { handler: failing, asyncCommit: maybe.boolean })
const maybeRetried = Step.make(Draft, { handler: failing, retry: maybe.schedule })
holds<Equal<Step.Error<typeof maybeRetried>, Timeout | Refused>>()
RetryPolicy.make({ limit: maybe.number, delay: maybe.duration })

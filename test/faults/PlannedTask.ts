/** The tasks of a run: each carries its plan, and every step of every task does what the plan says. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as NextStep from "../../src/NextStep.ts"
import * as Step from "../../src/Step.ts"
import * as Task from "../../src/Task.ts"
import type { EnqueueError } from "../../src/TaskError.ts"
import { type Notes, type Place, placeOf, transfer } from "./EffectTables.ts"
import { Op } from "./Plan.ts"

const fields = {
  plan: Schema.String,
  seq: Schema.Number,
  round: Schema.Number,
  ops: Schema.Array(Op)
}

export class Free extends Schema.TaggedClass<Free>()("Free", fields) {}
export class Novel extends Schema.TaggedClass<Novel>()("Novel", fields) {}
export class Async extends Schema.TaggedClass<Async>()("Async", fields) {}
export class Flaky extends Schema.TaggedClass<Flaky>()("Flaky", fields) {}
export class Strict extends Schema.TaggedClass<Strict>()("Strict", fields) {}
export class Bound extends Schema.TaggedClass<Bound>()("Bound", fields) {}
export class Commit extends Schema.TaggedClass<Commit>()("Commit", fields) {}

/** How tasks end whose row is kept for a moment. */
class Over extends Schema.TaggedClass<Over>()("Over", { plan: Schema.String }) {}

const older = [Free, Async, Flaky, Strict, Bound, Commit, Over] as const
type Older = (typeof older)[number]["Type"]
export type State = Exclude<Older, Over> | Novel

const byMode = { async: Async, bound: Bound, commit: Commit }

const tagOf = ({ kind, mode }: Op) => {
  if (mode !== "free") return byMode[mode]
  switch (kind) {
    case "novel":
      return Novel
    case "flaky":
      return Flaky
    case "stubborn":
    case "broken":
      return Strict
    case "plain":
    case "slow":
    case "poison":
    case "robbed":
    case "hung":
      return Free
  }
}

const stateAt = ({ plan, round, seq }: Place, ops: ReadonlyArray<Op>): State =>
  new (tagOf(ops[seq]!))({ plan, seq, round, ops })

/** The state in which a plan begins. */
export const beginning = (plan: string, ops: ReadonlyArray<Op>): State => stateAt({ plan, seq: 0, round: 1 }, ops)

/** The id of the plan that a step enqueues. */
export const childId = ({ plan, round, seq }: Place): string => `${plan}/${seq}.${round}`

/** The plan's own failures. */
class Planned extends Data.TaggedError("Planned")<{ readonly message: string }> {}

type Error = Planned | EnqueueError
type Services = SqlClient.SqlClient | Step.Context
type Next = NextStep.NextStep<Older, Error, Services>

/** What the handlers of a task share. */
interface Workshop {
  readonly notes: Notes
  readonly enqueue: (state: State) => Effect.Effect<unknown, EnqueueError, SqlClient.SqlClient>
}

const fails = (attempt: number): Effect.Effect<never, Planned> =>
  attempt % 2 === 1
    ? new Planned({ message: `planned failure ${attempt}` })
    : Effect.die(new Error(`planned defect ${attempt}`))

const robbed = (notes: Notes, place: Place) =>
  Effect.gen(function*() {
    const { id } = yield* Step.Context
    if (!(yield* notes.rob(place, id))) return
    // Long enough for another worker to have begun; and if there is none, our result is refused all the same.
    for (let n = 0; n < 100 && !(yield* notes.isTaken(id)); n++) yield* Effect.sleep(10)
  })

const hangs = (notes: Notes, place: Place) =>
  Effect.flatMap(
    Step.Context,
    ({ id }) => Effect.flatMap(notes.rob(place, id), (did) => did ? Effect.never : Effect.void)
  )

const dies = (notes: Notes, place: Place, times: number) =>
  Effect.gen(function*() {
    if ((yield* notes.dies(place)) > times) return
    process.stdout.write(`poisoned by ${place.plan}\n`)
    process.kill(process.pid, "SIGKILL")
    yield* Effect.never
  })

/** What a step does before its effects. */
const behave = ({ notes }: Workshop, op: Op, state: State): Effect.Effect<void, Planned, Step.Context> =>
  Effect.gen(function*() {
    const { attempt } = yield* Step.Context
    switch (op.kind) {
      case "plain":
      case "novel":
        return
      case "slow":
        return yield* Effect.sleep(op.millis)
      case "flaky":
        return attempt <= op.failures ? yield* fails(attempt) : undefined
      case "stubborn":
        return (yield* notes.isFixed) ? undefined : yield* fails(attempt)
      case "broken":
        return yield* fails(attempt)
      case "poison":
        return yield* dies(notes, state, op.failures)
      case "robbed":
        return yield* robbed(notes, state)
      case "hung":
        return yield* hangs(notes, state)
    }
  })

/** A step's writes to the database. Those that fail, fail after they have written. */
const effects = (shop: Workshop, op: Op, state: State): Effect.Effect<void, Error, Services> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const { attempt } = yield* Step.Context
    if (op.amount > 0) yield* transfer(sql, state, op)
    if (op.child.length > 0) {
      yield* shop.enqueue(beginning(childId(state), op.child.map((own) => ({ ...own, child: [] }))))
    }
    if (attempt <= op.failures) yield* fails(attempt)
  })

const onward = ({ notes }: Workshop, op: Op, state: State): Effect.Effect<Next> =>
  Effect.gen(function*() {
    const last = state.round >= op.rounds
    const place = { plan: state.plan, seq: last ? state.seq + 1 : state.seq, round: last ? 1 : state.round + 1 }
    if (place.seq >= state.ops.length) {
      return op.onward === "final" ? NextStep.now(new Over({ plan: state.plan })) : NextStep.none
    }
    // Only the beginning of a plan is novel.
    const next = stateAt(place, state.ops) as Older
    switch (op.onward) {
      case "now":
      case "final":
        return NextStep.now(next)
      case "delay":
        return NextStep.delay(next, op.wait)
      case "at":
        return NextStep.at(next, yield* notes.fromNow(op.wait))
    }
  })

const committing = (next: Next, commit: Effect.Effect<void, Error, Services>): Next => {
  const { move } = next
  switch (move._tag) {
    case "None":
      return NextStep.noneWith({ commit })
    case "Now":
      return NextStep.now(move.state as Older, { commit })
    case "Delay":
      return NextStep.delay(move.state as Older, move.duration, { commit })
    case "At":
      return NextStep.at(move.state as Older, move.dateTime, { commit })
  }
}

const perform = (shop: Workshop) => (state: State): Effect.Effect<Next, Error, Services> => {
  const op = state.ops[state.seq]!
  return Effect.gen(function*() {
    const { attempt, idempotencyKey } = yield* Step.Context
    yield* shop.notes.ran(state, { attempt, key: idempotencyKey, isAsync: op.mode === "async" })
    yield* behave(shop, op, state)
    if (op.mode === "bound") yield* effects(shop, op, state)
    const next = yield* onward(shop, op, state)
    return op.mode === "commit" ? committing(next, effects(shop, op, state)) : next
  }).pipe(
    Effect.onInterrupt(() => Effect.sync(() => process.stdout.write(`interrupted ${placeOf(state)}\n`)))
  )
}

/** For steps whose transactions end with the connection, which counts as a try: again and again. */
const patient = { retryLimit: Infinity, retryDelay: "100 millis" } as const

const exponential = Schedule.exponential("20 millis", 1.5).pipe(Schedule.upTo({ times: 8 }))

const stepsOf = (shop: Workshop) => {
  const handler = perform(shop)
  const withoutCommit = handler as (state: State) => Effect.Effect<NextStep.NextStep<Older>, Error, Services>
  return [
    Step.make(Free, { next: older, handler }),
    Step.make(Async, { next: older, asyncCommit: true, handler: withoutCommit }),
    Step.make(Flaky, { next: older, retry: exponential, handler }),
    Step.make(Strict, { next: older, retryLimit: 1, retryDelay: "50 millis", handler }),
    Step.make(Bound, { next: older, ...patient, transactional: true, handler }),
    Step.make(Commit, { next: older, ...patient, handler }),
    Step.final(Over, { keep: "3 seconds" })
  ] as const
}

/** Workers of several tasks have lanes for them. */
const priorities: Readonly<Record<string, "high" | "low">> = { Keyed: "high", Errand: "low" }

const optionsOf = (name: string) => ({ priority: priorities[name] })

/** The task as it was before it had the state `Novel`. */
export const makeOlder = <const Name extends string>(name: Name, notes: Notes) => {
  const task: Task.Task<Name, ReturnType<typeof stepsOf>[number]> = Task.make(
    name,
    stepsOf({ notes, enqueue: (state) => task.enqueue(state as Exclude<Older, Over>) }),
    optionsOf(name)
  )
  return task
}

const novelStep = (shop: Workshop) => Step.make(Novel, { next: older, handler: perform(shop) })

/** The task as it is. */
export const makeJourney = <const Name extends string>(name: Name, notes: Notes) => {
  const shop: Workshop = { notes, enqueue: (state) => task.enqueue(state) }
  const task: Task.Task<Name, ReturnType<typeof stepsOf>[number] | ReturnType<typeof novelStep>> = Task.make(
    name,
    [novelStep(shop), ...stepsOf(shop)],
    optionsOf(name)
  )
  return task
}

/** Tasks of limited states. Each carries its plan, and notes when a step begins and ends. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Limit from "../../../src/Limit.ts"
import * as NextStep from "../../../src/NextStep.ts"
import * as Step from "../../../src/Step.ts"
import * as Task from "../../../src/Task.ts"
import { backingOff, LimitOp, type LimitPlan, ownRunning, ratedRunning, rates, sharedRunning } from "./LimitPlan.ts"
import type { LimitNotes } from "./LimitTables.ts"

const fields = { plan: Schema.String, key: Schema.String, seq: Schema.Number, ops: Schema.Array(LimitOp) }

class Own extends Schema.TaggedClass<Own>()("Own", fields) {}
class Bound extends Schema.TaggedClass<Bound>()("Bound", fields) {}
class Shared extends Schema.TaggedClass<Shared>()("Shared", fields) {}
class Free extends Schema.TaggedClass<Free>()("Free", fields) {}
class Rated extends Schema.TaggedClass<Rated>()("Rated", fields) {}
class Paced extends Schema.TaggedClass<Paced>()("Paced", fields) {}

const states = [Own, Bound, Shared, Free, Rated, Paced] as const
type State = (typeof states)[number]["Type"]

const byKind = { own: Own, bound: Bound, shared: Shared, free: Free, rated: Rated, paced: Paced }

const stateAt = (place: Pick<State, "plan" | "key" | "seq" | "ops">): State =>
  new (byKind[place.ops[place.seq]!.kind])(place)

/** The state in which a plan begins. */
export const beginning = ({ id, key, ops }: LimitPlan): State => stateAt({ plan: id, key, seq: 0, ops })

export const own = Limit.make("own", { running: 1 })
const shared = Limit.make("shared", { running: sharedRunning })
export const rated = Limit.make("rated", { running: ratedRunning, rate: rates.rated })
const paced = Limit.make("paced", { rate: rates.paced })

const ownOf = own.by((state: State) => state.key, { running: ({ key }) => ownRunning(key) })

const ratedOf = rated.by((state: State) => state.key)

const limitKeyOf = ({ _tag, key }: State): string | null => {
  if (_tag === "Free") return null
  if (_tag === "Shared" || _tag === "Paced") return _tag.toLowerCase()
  return `${_tag === "Rated" ? "rated" : "own"}:${key}`
}

class Planned extends Data.TaggedError("Planned")<{ readonly message: string }> {}

/** Lets the state's key back off, and notes from when to when nothing of it may begin. In vain if the database is away. */
const backOff = (notes: LimitNotes, run: string, { _tag, key }: State, millis: number) =>
  Effect.gen(function*() {
    const limit = _tag === "Rated" ? rated : own
    const until = notes.now() + millis
    yield* limit.backOff(millis, { key })
    yield* notes.backedOff(run, { what: "back-off", name: `${limit.name}:${key}`, since: notes.now() + 1, until })
  }).pipe(Effect.ignore)

type Needs = Step.Context | SqlClient.SqlClient

const perform = (notes: LimitNotes) => (state: State): Effect.Effect<NextStep.NextStep<State>, Planned, Needs> =>
  Effect.gen(function*() {
    const started = notes.now()
    const { ops, plan, seq } = state
    const op = ops[seq]!
    const { attempt, id, idempotencyKey } = yield* Step.Context
    const run = crypto.randomUUID()
    const row = { id, attempt, transitions: Number(idempotencyKey.split(":")[1]) }
    const work = Effect.gen(function*() {
      yield* Effect.sleep(op.millis)
      const mayBackOff = attempt === 1 && op.backsOff > 0 && backingOff.includes(limitKeyOf(state) ?? "")
      if (mayBackOff) yield* backOff(notes, run, state, op.backsOff)
      if (attempt <= op.failures) yield* new Planned({ message: `planned failure ${attempt}` })
    })
    // Interruptible: the first note may take long, while the database is away.
    yield* notes.began({ run, plan, seq, key: limitKeyOf(state), started }, row)
    yield* Effect.ensuring(work, notes.ended(run))
    if (seq + 1 === ops.length) return NextStep.none
    const next = stateAt({ plan, key: state.key, seq: seq + 1, ops })
    return op.onward === "now" ? NextStep.now(next) : NextStep.delay(next, "200 millis")
  })

const patient = { retryLimit: Infinity, retryDelay: "50 millis" } as const

const stepsOf = (notes: LimitNotes) => {
  const handler = perform(notes)
  return [
    Step.make(Own, { next: states, limit: ownOf, ...patient, handler }),
    Step.make(Bound, { next: states, limit: ownOf, transactional: true, ...patient, handler }),
    Step.make(Shared, { next: states, limit: shared, ...patient, handler }),
    Step.make(Rated, { next: states, limit: ratedOf, ...patient, handler }),
    Step.make(Paced, { next: states, limit: paced, ...patient, handler }),
    Step.make(Free, { next: states, ...patient, handler })
  ] as const
}

export const makeLimited = (notes: LimitNotes) => Task.make("BesideLimited", stepsOf(notes))

/** For those who only enqueue. */
export const limited = makeLimited({
  began: () => Effect.void,
  ended: () => Effect.void,
  backedOff: () => Effect.void,
  now: () => 0
})

/** Tasks of limited states. Each carries its plan, and notes when a step begins and ends. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Limit from "../../../src/Limit.ts"
import * as NextStep from "../../../src/NextStep.ts"
import * as Step from "../../../src/Step.ts"
import * as Task from "../../../src/Task.ts"
import { LimitOp, type LimitPlan, ownRunning, sharedRunning } from "./LimitPlan.ts"
import type { LimitNotes } from "./LimitTables.ts"

const fields = { plan: Schema.String, key: Schema.String, seq: Schema.Number, ops: Schema.Array(LimitOp) }

class Own extends Schema.TaggedClass<Own>()("Own", fields) {}
class Bound extends Schema.TaggedClass<Bound>()("Bound", fields) {}
class Shared extends Schema.TaggedClass<Shared>()("Shared", fields) {}
class Free extends Schema.TaggedClass<Free>()("Free", fields) {}

const states = [Own, Bound, Shared, Free] as const
type State = (typeof states)[number]["Type"]

const byKind = { own: Own, bound: Bound, shared: Shared, free: Free }

const stateAt = (place: Pick<State, "plan" | "key" | "seq" | "ops">): State =>
  new (byKind[place.ops[place.seq]!.kind])(place)

/** The state in which a plan begins. */
export const beginning = ({ id, key, ops }: LimitPlan): State => stateAt({ plan: id, key, seq: 0, ops })

const own = Limit.make("own", { running: 1 })
const shared = Limit.make("shared", { running: sharedRunning })

const ownOf = own.by((state: State) => state.key, { running: ({ key }) => ownRunning(key) })

const limitKeyOf = ({ _tag, key }: State): string | null =>
  _tag === "Free" ? null : _tag === "Shared" ? "shared" : `own:${key}`

class Planned extends Data.TaggedError("Planned")<{ readonly message: string }> {}

const perform = (notes: LimitNotes) => (state: State): Effect.Effect<NextStep.NextStep<State>, Planned, Step.Context> =>
  Effect.gen(function*() {
    const { ops, plan, seq } = state
    const op = ops[seq]!
    const { attempt, id, idempotencyKey } = yield* Step.Context
    const run = crypto.randomUUID()
    const row = { id, attempt, transitions: Number(idempotencyKey.split(":")[1]) }
    const work = Effect.gen(function*() {
      yield* Effect.sleep(op.millis)
      if (attempt <= op.failures) yield* new Planned({ message: `planned failure ${attempt}` })
    })
    // Interruptible: the first note may take long, while the database is away.
    yield* notes.began({ run, plan, seq, key: limitKeyOf(state) }, row)
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
    Step.make(Free, { next: states, ...patient, handler })
  ] as const
}

export const makeLimited = (notes: LimitNotes) => Task.make("BesideLimited", stepsOf(notes))

/** For those who only enqueue. */
export const limited = makeLimited({ began: () => Effect.void, ended: () => Effect.void })

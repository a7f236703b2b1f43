/** A task that waits for signals, and takes each kind in another way. Its result is the list of those that it took. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as NextStep from "../../../src/NextStep.ts"
import * as Step from "../../../src/Step.ts"
import * as Task from "../../../src/Task.ts"
import { Talk } from "./JoinPlan.ts"
import { type JoinNotes, noteSent, noteTook } from "./JoinTables.ts"

const fields = { talk: Talk, taken: Schema.Array(Schema.Number) }

class Listen extends Schema.TaggedClass<Listen>()("Listen", fields) {}
class Busy extends Schema.TaggedClass<Busy>()("Busy", fields) {}
class Linger extends Schema.TaggedClass<Linger>()("Linger", fields) {}
class Said extends Schema.TaggedClass<Said>()("Said", {
  talk: Schema.String,
  taken: Schema.Array(Schema.Number),
  timedOut: Schema.Boolean
}) {}

const signalFields = { n: Schema.Number, text: Schema.String }

class Ping extends Schema.TaggedClass<Ping>()("Ping", signalFields) {}
class Pong extends Schema.TaggedClass<Pong>()("Pong", signalFields) {}
class Bell extends Schema.TaggedClass<Bell>()("Bell", signalFields) {}
class Late extends Schema.TaggedClass<Late>()("Late", signalFields) {}

const signals = { Ping, Pong, Bell, Late }

export const signalOf = (kind: keyof typeof signals, n: number, size = 1): Ping | Pong | Bell | Late =>
  new signals[kind]({ n, text: "x".repeat(size) })

export const Talking = Task.declare("BesideTalk", {
  states: [Listen, Busy, Linger],
  signals: [Ping, Pong, Bell, Late],
  final: [Said],
  entry: [Listen]
})

type Waiting = Listen | Linger

/** The plan's own failures. */
class Planned extends Data.TaggedError("Planned")<{ readonly message: string }> {}

/** Nobody takes a result away before the oracle has looked. */
const keep = "10 hours"

/** The state in which a conversation begins. */
export const beginning = (talk: Talk) => new Listen({ talk, taken: [] })

/** For steps whose transactions end with the connection, which counts as a try: again and again. */
const patient = { retryLimit: Infinity, retryDelay: "50 millis" } as const

const end = ({ talk, taken }: Waiting | Busy, timedOut: boolean) =>
  NextStep.now(new Said({ talk: talk.id, taken, timedOut }))

/** On from `Listen`, to itself or further. */
const nextOf = ({ talk, taken }: Listen, n: number) => {
  const all = { talk, taken: [...taken, n] }
  return all.taken.length < talk.wants ? new Listen(all) : new Busy(all)
}

/** The same, at once or a little later. */
const onward = (state: Listen, n: number) =>
  n % 3 === 0 ? NextStep.delay(nextOf(state, n), "30 millis") : NextStep.now(nextOf(state, n))

const lingering = (state: Linger, n: number) => {
  const taken = [...state.taken, n]
  return taken.length >= state.talk.wants + state.talk.late
    ? NextStep.now(new Said({ talk: state.talk.id, taken, timedOut: false }))
    : NextStep.now(new Linger({ talk: state.talk, taken }))
}

const timeout = ({ talk }: Waiting) => talk.patience

/** Notes the signal, and fails as often as planned. */
const hear = (notes: JoinNotes, { talk }: Waiting, n: number) =>
  Effect.gen(function*() {
    const { attempt, idempotencyKey } = yield* Step.Context
    yield* notes.heard(talk.id, n, idempotencyKey, attempt)
    if (attempt <= talk.failures) yield* new Planned({ message: `planned failure ${attempt}` })
  })

const took = ({ talk }: Waiting, n: number) => Effect.flatMap(SqlClient.SqlClient, (sql) => noteTook(sql, talk.id, n))

const listen = (notes: JoinNotes) =>
  Step.wait(Listen, (on) => [
    on(Ping, {
      ...patient,
      next: [Listen, Busy],
      handler: (state, { n }) => Effect.as(hear(notes, state, n), onward(state, n))
    }),
    on(Pong, {
      ...patient,
      next: [Listen, Busy],
      transactional: true,
      handler: (state, { n }) => Effect.as(Effect.andThen(took(state, n), hear(notes, state, n)), onward(state, n))
    }),
    on(Bell, {
      ...patient,
      next: [Listen, Busy],
      handler: (state, { n }) =>
        Effect.as(
          hear(notes, state, n),
          NextStep.now(nextOf(state, n), { commit: took(state, n) })
        )
    }),
    on.timeout(timeout, { next: [Said], handler: (state) => Effect.succeed(end(state, true)) })
  ])

/** Tells other conversations: part of the step's transaction. One that has ended refuses. */
const tell = ({ tells }: Talk) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) =>
      Effect.forEach(tells, ({ kind, n, to }) =>
        Talking.signalByKey(to, signalOf(kind, n)).pipe(
          Effect.as("sent" as const),
          Effect.catchTag(
            ["TaskNotFoundError", "TaskInboxFullError"],
            () => Effect.succeed("refused" as const)
          ),
          Effect.flatMap((outcome) => noteSent(sql, n, outcome))
        ), { discard: true })
  )

const busy = (notes: JoinNotes) =>
  Step.make(Busy, {
    ...patient,
    next: [Linger, Said],
    transactional: true,
    handler: (state) =>
      Effect.gen(function*() {
        const { attempt, idempotencyKey } = yield* Step.Context
        yield* notes.heard(state.talk.id, 0, idempotencyKey, attempt)
        yield* tell(state.talk)
        yield* Effect.sleep(state.talk.busy)
        return state.talk.late === 0
          ? end(state, false)
          : NextStep.now(new Linger({ talk: state.talk, taken: state.taken }))
      })
  })

const linger = (notes: JoinNotes) =>
  Step.wait(Linger, (on) => [
    on(Late, {
      ...patient,
      next: [Linger, Said],
      handler: (state, { n }) => Effect.as(hear(notes, state, n), lingering(state, n))
    }),
    on.timeout(timeout, { next: [Said], handler: (state) => Effect.succeed(end(state, true)) })
  ])

export const makeTalking = (notes: JoinNotes) =>
  Task.make(Talking, [listen(notes), busy(notes), linger(notes), Step.final(Said, { keep })])

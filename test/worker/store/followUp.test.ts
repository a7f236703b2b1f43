/**
 * What others have to do with a row comes with its claim, and whoever looks after it is called once an outcome is
 * committed. A stand-in is called here.
 */
import { assert } from "@effect/vitest"
import { Clock, Effect, Queue } from "effect"
import { SqlClient } from "effect/sql"
import { ConnectionError, SqlError, UniqueViolation } from "effect/sql/SqlError"
import { NextStep, Step, Task } from "../../../src/index.ts"
import type { Entry } from "../../../src/internal/attempt/claimedTask.ts"
import { ExtraFollowUps, type FollowUp } from "../../../src/internal/worker/afterCommit.ts"
import { makePacedClock } from "../../support/worker/Clocks.ts"
import { Job, jobs, makeGate, start, workerTests } from "../../support/worker/Fixture.ts"
import { holding } from "../../support/worker/Locks.ts"
import { empty, gone, type Row, row, run } from "../../support/worker/Table.ts"
import { within } from "../../support/worker/Wait.ts"

const parent = "00000000-0000-4000-8000-000000000001"

/** How rows get facts, and which facts a claim brings of them. */
const kinds = {
  child: { set: `parent = '${parent}'`, facts: { parent } },
  watched: { set: "watched = true", facts: { watched: true } },
  both: { set: `parent = '${parent}', watched = true`, facts: { parent, watched: true } },
  limited: {
    set: "limit_key = 'eu', slot = 1, slots = 3",
    facts: { limitKey: "eu", slot: 1, slots: 3 }
  },
  plain: { set: "tried = 0", facts: undefined },
  keyed: { set: "key = 'k'", facts: undefined }
} as const
type Kind = keyof typeof kinds

/** Inserts a task with a name: at once with its facts, as a worker may be there. */
const insert = (kind: Kind, name: string = kind) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    sql.withTransaction(Effect.gen(function*() {
      const [inserted] = yield* run<{ id: string }>(
        "insert into pg_task (step) values ($1) returning id::text",
        [JSON.stringify({ Jobs: { Job: { name } } })]
      )
      yield* run(`update pg_task set ${kinds[kind].set} where id = $1::uuid`, [inserted!.id])
      return inserted!.id
    })))

/** An outcome that the stand-in was given, and the row at that time, as another session sees it. */
interface Followed {
  readonly id: string
  readonly outcome: Entry["outcome"]["_tag"]
  readonly facts: unknown
  readonly row: Row | undefined
}

/** A stand-in that first does what `before` says of a call. Then it shows what it was given; of a look, nothing. */
const makeStandIn = (options: {
  readonly every?: number
  readonly before?: (call: number, size: number) => Effect.Effect<void, SqlError>
} = {}) =>
  Effect.gen(function*() {
    const context = yield* Effect.context<SqlClient.SqlClient>()
    const seen = yield* Queue.unbounded<Followed>()
    const calls = yield* Queue.unbounded<ReadonlyArray<string>>()
    const sizes: Array<number> = []
    const show = ({ claimed, outcome }: Entry) =>
      Effect.map(row(claimed.id), (row) =>
        Queue.offerUnsafe(seen, {
          id: claimed.id,
          outcome: outcome._tag,
          facts: claimed.facts === null ? null : JSON.parse(claimed.facts),
          row
        })).pipe(Effect.provideContext(context))
    const work: FollowUp["work"] = (committed) =>
      Effect.gen(function*() {
        const call = sizes.push(committed.length)
        Queue.offerUnsafe(calls, committed.map(({ claimed }) => claimed.id))
        yield* options.before?.(call, committed.length) ?? Effect.void
        yield* Effect.forEach(committed, show, { discard: true })
      })
    return {
      followUp: { concerns: () => true, every: options.every ?? 3_600_000, work },
      sizes,
      /** The next call, as the ids that it was given. */
      call: within(Queue.take(calls), "the stand-in was not called"),
      next: within(Queue.take(seen), "no outcome was followed"),
      unseen: Queue.size(seen)
    }
  })

const followedBy = (followUp: FollowUp) => Effect.provideService(ExtraFollowUps, [followUp])

/** A task whose steps go on as the names of its states say, from one outcome to the next. */
const makeJobs = (transactional: boolean, handler: (job: Job) => Effect.Effect<NextStep.NextStep<Job>, string>) =>
  Task.make("Jobs", [Step.make(Job, { next: [Job], retryLimit: 1, retryDelay: "1 hour", transactional, handler })])

const isOf = (name: string) => ({ step }: Row) => step.includes(`"${name}"`)

const stored = { "the writer": false, "a step's own transaction": true }

workerTests("outcomes of rows that others have to do with", (test) => {
  for (const [how, transactional] of Object.entries(stored)) {
    test(
      `are followed, with what others have to do with them, and those of other rows not: stored by ${how}`,
      Effect.gen(function*() {
        const Jobs = makeJobs(transactional, () => Effect.succeed(NextStep.none))
        const ids = new Map<string, Kind>()
        for (const kind of Object.keys(kinds) as ReadonlyArray<Kind>) ids.set(yield* insert(kind), kind)
        const { followUp, next, sizes, unseen } = yield* makeStandIn()
        yield* start({ tasks: [Jobs], concurrency: 3 }).pipe(followedBy(followUp))
        yield* empty
        for (let n = 0; n < 4; n++) {
          const { facts, id, outcome, row } = yield* next
          assert.deepStrictEqual(facts, kinds[ids.get(id)!].facts)
          assert.deepStrictEqual({ outcome, row }, { outcome: "Finished", row: undefined })
          ids.delete(id)
        }
        assert.deepStrictEqual([...ids.values()], ["plain", "keyed"])
        // A later one comes after all of these.
        const last = yield* insert("watched", "last")
        assert.strictEqual((yield* next).id, last)
        assert.strictEqual(yield* unseen, 0)
        assert.strictEqual(sizes.reduce((sum, size) => sum + size, 0), 5)
      })
    )

    test(
      `are followed each time the row moves on: stored by ${how}`,
      Effect.gen(function*() {
        const Jobs = makeJobs(transactional, ({ name }) => {
          if (name === "first") return Effect.succeed(NextStep.now(new Job({ name: "second" })))
          if (name === "second") return Effect.succeed(NextStep.delay(new Job({ name: "third" }), "1 hour"))
          return Effect.fail("no")
        })
        const id = yield* insert("child", "first")
        const { followUp, next } = yield* makeStandIn()
        yield* start({ tasks: [Jobs] }).pipe(followedBy(followUp))
        const continued = yield* next
        assert.deepInclude(continued, { id, outcome: "Continued", facts: kinds.child.facts })
        // The worker goes on with the next step meanwhile.
        assert.isTrue(["second", "third"].some((name) => isOf(name)(continued.row!)))
        const rescheduled = yield* next
        assert.deepInclude(rescheduled, { id, outcome: "Rescheduled" })
        assert.isTrue(isOf("third")(rescheduled.row!))
        assert.deepInclude(rescheduled.row, { status: "scheduled", transitions: 2, token: null })
        yield* run("update pg_task set wakeup_at = now()")
        const retried = yield* next
        assert.deepInclude(retried, { id, outcome: "Retried" })
        assert.deepInclude(retried.row, { status: "scheduled", tried: 1 })
        yield* run("update pg_task set wakeup_at = now()")
        const last = yield* next
        assert.deepInclude(last, { id, outcome: "Parked" })
        assert.strictEqual(last.row?.status, "parked")
      })
    )

    test(
      `are followed once they are committed, and not before: stored by ${how}`,
      Effect.gen(function*() {
        const gate = yield* makeGate
        const Jobs = makeJobs(transactional, ({ name }) => Effect.as(gate.enter(name), NextStep.none))
        const held = yield* insert("watched", "held")
        const free = yield* insert("watched", "free")
        const { followUp, next, unseen } = yield* makeStandIn()
        yield* start({ tasks: [Jobs], lease: "5 minutes" }).pipe(followedBy(followUp))
        yield* gate.next
        yield* gate.next
        // Its outcome can't be stored.
        const letGo = yield* holding(`select 1 from pg_task where id = '${held}' for update`)
        yield* gate.open
        assert.strictEqual((yield* next).id, free)
        assert.strictEqual(yield* unseen, 0)
        yield* letGo
        assert.deepInclude(yield* next, { id: held, outcome: "Finished", row: undefined })
      })
    )
  }

  test(
    "are not followed if they were refused: another worker has the row",
    Effect.gen(function*() {
      const gate = yield* makeGate
      const Jobs = makeJobs(false, ({ name }) => Effect.as(gate.enter(name), NextStep.none))
      const stolen = yield* insert("watched", "stolen")
      const own = yield* insert("watched", "own")
      const { followUp, next, unseen } = yield* makeStandIn()
      yield* start({ tasks: [Jobs], lease: "5 minutes" }).pipe(followedBy(followUp))
      yield* gate.next
      yield* gate.next
      yield* run("update pg_task set lease_token = gen_random_uuid() where id = $1::uuid", [stolen])
      yield* gate.open
      assert.strictEqual((yield* next).id, own)
      const last = yield* insert("watched", "last")
      assert.strictEqual((yield* next).id, last)
      assert.strictEqual(yield* unseen, 0)
    })
  )
})

const options = { cause: new Error("no"), message: "no", operation: "execute" }
const failures = {
  "loses its connection": new SqlError({ reason: new ConnectionError(options) }),
  "is refused": new SqlError({
    reason: new UniqueViolation({ ...options, cause: { code: "23505", message: "no" }, constraint: "c" })
  })
}

workerTests("work on outcomes", (test) => {
  for (const [how, failure] of Object.entries(failures)) {
    test(
      `that ${how} is done again, with what was not done`,
      Effect.gen(function*() {
        const Jobs = jobs(() => Effect.succeed(NextStep.none))
        const ids = [yield* insert("watched"), yield* insert("child")]
        let filledCalls = 0
        const { call, followUp, next } = yield* makeStandIn({
          every: 200,
          before: (_, size) => {
            if (size > 0) filledCalls++
            return filledCalls < 3 ? Effect.fail(failure) : Effect.void
          }
        })
        yield* start({ tasks: [Jobs] }).pipe(followedBy(followUp))
        const filled = Effect.repeat(call, { until: (ids) => ids.length > 0 })
        const [first, second] = [yield* filled, yield* filled]
        assert.includeMembers([...second], [...first])
        const followed = [yield* next, yield* next].map(({ id }) => id)
        assert.sameMembers(followed, ids)
      })
    )
  }

  test(
    "that hangs holds up neither outcomes nor other tasks, and is given up at last",
    Effect.gen(function*() {
      const Jobs = jobs(({ name }) =>
        Effect.succeed(name === "first" ? NextStep.now(new Job({ name: "second" })) : NextStep.none)
      )
      let given = 0
      const hangs = Effect.onInterrupt(Effect.never, () => Effect.sync(() => given++))
      const { call, followUp, next } = yield* makeStandIn({ before: (call) => (call === 1 ? hangs : Effect.void) })
      const child = yield* insert("child", "first")
      // The patience of 15 seconds, ten times as fast.
      yield* start({ tasks: [Jobs] }).pipe(
        followedBy(followUp),
        Effect.provideServiceEffect(Clock.Clock, makePacedClock(0.1))
      )
      assert.deepStrictEqual(yield* call, [child])
      yield* gone(child)
      const others = [yield* insert("watched", "first"), yield* insert("plain", "first")]
      yield* Effect.forEach(others, gone)
      // What the first call was given, and what came meanwhile: two outcomes of each.
      const followed = [yield* next, yield* next, yield* next, yield* next].map(({ id }) => id)
      assert.deepStrictEqual(followed, [child, child, others[0], others[0]])
      assert.isAtLeast(given, 1)
    })
  )
})

workerTests("a worker without outcomes to follow", (test) => {
  test(
    "looks for what others have left undone, again and again, and its tasks make no difference",
    Effect.gen(function*() {
      const Jobs = jobs(() => Effect.succeed(NextStep.none))
      const { call, followUp, unseen } = yield* makeStandIn({ every: 100 })
      yield* start({ tasks: [Jobs] }).pipe(followedBy(followUp))
      for (let n = 0; n < 3; n++) assert.deepStrictEqual(yield* call, [])
      yield* gone(yield* Jobs.enqueue(new Job({ name: "plain" })))
      for (let n = 0; n < 3; n++) assert.deepStrictEqual(yield* call, [])
      assert.strictEqual(yield* unseen, 0)
    })
  )

  test(
    "is not called before the look is due, though it runs tasks",
    Effect.gen(function*() {
      const Jobs = jobs(() => Effect.succeed(NextStep.none))
      const { followUp, sizes } = yield* makeStandIn()
      yield* start({ tasks: [Jobs] }).pipe(followedBy(followUp))
      yield* Jobs.enqueueAll(Array.from({ length: 100 }, (_, n) => new Job({ name: `${n}` })))
      yield* empty
      assert.deepStrictEqual(sizes, [])
    })
  )
})

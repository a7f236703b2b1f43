/** Tasks that wait, beside the plans of each round: signals, results, children. */
import { Effect, Fiber } from "effect"
import { SqlClient } from "effect/sql"
import type { TaskId } from "../../../src/TaskId.ts"
import { persist } from "../EffectTables.ts"
import type { Beside, Scene } from "../FaultContext.ts"
import type { Random } from "../Random.ts"
import { countSignals, judgeJoins } from "./JoinOracle.ts"
import { allOf, type JoinPlan, makeJoinPlan } from "./JoinPlan.ts"
import { type Content, produceJoins } from "./JoinProducer.ts"
import { gatherJoins } from "./JoinResult.ts"
import { createJoinTables, emptyJoinTables } from "./JoinTables.ts"
import { Talking } from "./TalkTask.ts"
import { Root } from "./TreeTask.ts"

const producers = 3

/** If nothing changes for this long, nothing ever will. In milliseconds. */
const patience = 60_000

/** What of it has not ended, and changes from step to step. */
interface OpenRow {
  readonly id: string
  readonly step: string
  readonly transitions: number
  readonly tried: number
  readonly wakes: number
  readonly error: string | null
}

const readOpen = (sql: SqlClient.SqlClient) =>
  persist(sql<OpenRow>`select id::text, left(step, 400) as step, transitions, tried, wakes, error
    from pg_task where task like 'Beside%' and task <> 'BesideLimited' and ended_at is null order by id`)

/** Of one round. */
class JoinRound {
  readonly plan: JoinPlan
  /** What those got who awaited tasks. */
  readonly awaited = new Map<string, unknown>()
  private readonly waiting = new Map<string, Fiber.Fiber<unknown, unknown>>()

  constructor(plan: JoinPlan) {
    this.plan = plan
  }

  get rows() {
    const contents: ReadonlyArray<readonly [string, Content]> = [
      ...this.plan.talks.map((talk) => [talk.id, { talk }] as const),
      ...this.plan.trees.map((tree) => [tree.id, { tree }] as const)
    ]
    return contents.map(([id, content], n) => ({ id, producer: n % producers, content: JSON.stringify(content) }))
  }

  /** Awaits what is enqueued, and not awaited yet. */
  awaitAll({ sql }: Scene) {
    return Effect.gen({ self: this }, function*() {
      const rows = yield* persist(sql<{ id: string; task: TaskId }>`select id, task::text from join_enqueued`)
      for (const { id, task } of rows.filter(({ id }) => !this.waiting.has(id))) {
        // A fault may park them, and the round clears the error.
        const options = { onParked: "wait" } as const
        const result: Effect.Effect<unknown, unknown, SqlClient.SqlClient> = id.startsWith("tree")
          ? Root.await(task, options)
          : Talking.await(task, options)
        const noted = Effect.matchEffect(result, {
          onFailure: (error) => Effect.sync(() => this.awaited.set(id, { failed: String(error) })),
          onSuccess: (state) => Effect.sync(() => this.awaited.set(id, state))
        })
        this.waiting.set(id, yield* Effect.forkDetach(Effect.provideService(noted, SqlClient.SqlClient, sql)))
      }
    })
  }

  /** Until those who await tasks know of their end: they must not wait for ever. */
  get told(): Effect.Effect<boolean> {
    return Fiber.awaitAll([...this.waiting.values()]).pipe(
      Effect.as(true),
      Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.succeed(false) })
    )
  }

  get end() {
    return Fiber.interruptAll(this.waiting.values())
  }
}

/** Awaits what is enqueued while a round goes on. */
const awaitInRound = (scene: Scene, round: JoinRound) =>
  Effect.forever(Effect.andThen(round.awaitAll(scene), Effect.sleep(500)))

/** Clears the errors that a plan, or a fault, asks for. */
const help = ({ log, sql }: Scene, rows: ReadonlyArray<OpenRow>, allowed: ReadonlyArray<RegExp>) =>
  Effect.gen(function*() {
    const parked = rows.filter(({ error }) => error !== null)
    for (const row of parked) {
      if (!allowed.some((pattern) => pattern.test(row.error!))) log.wrong(`parked: ${JSON.stringify(row)}`)
    }
    const ids = parked.map(({ id }) => id)
    if (ids.length > 0) yield* persist(sql`update pg_task set error = null where ${sql.in("id", ids)}`)
  })

const settle = (scene: Scene, allowed: ReadonlyArray<RegExp>): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { log, sql } = scene
    yield* Effect.provideService(produceJoins(undefined, { rest: 0, late: true }), SqlClient.SqlClient, sql)
    let [state, since] = ["", performance.now()]
    for (;;) {
      const rows = yield* readOpen(sql)
      if (rows.length === 0) return
      yield* help(scene, rows, allowed)
      const now = JSON.stringify(rows)
      if (now !== state) [state, since] = [now, performance.now()]
      if (performance.now() - since > patience) {
        return log.wrong(`stuck for ${patience / 1000} s: ${JSON.stringify(rows.slice(0, 5), null, 1)}`)
      }
      yield* Effect.sleep(200)
    }
  })

/** What a round has of each. */
const size = { talks: 24, trees: 8 }

export const makeJoins = (random: Random): Beside => {
  let rounds = 0
  let round = new JoinRound({ talks: [], trees: [] })
  let awaiting: Fiber.Fiber<unknown, unknown> | undefined
  return {
    tables: createJoinTables,
    prepare: (scene) =>
      Effect.gen(function*() {
        const { sql } = scene
        round = new JoinRound(makeJoinPlan(random.fork(`round ${++rounds}`), size))
        yield* persist(sql.unsafe(emptyJoinTables))
        yield* Effect.forEach(round.rows, (row) =>
          persist(sql`insert into join_plan ${sql.insert(row)} on conflict do nothing`))
        awaiting = yield* Effect.forkDetach(awaitInRound(scene, round))
      }),
    settle: (scene, allowed) =>
      Effect.gen(function*() {
        yield* settle(scene, allowed)
        if (awaiting !== undefined) yield* Fiber.interrupt(awaiting)
        yield* round.awaitAll(scene)
        if (!(yield* round.told)) scene.log.wrong("somebody still awaits the end of a task that has ended")
        yield* round.end
      }),
    judge: ({ log, sql }, strict) =>
      Effect.gen(function*() {
        const { awaited, plan } = round
        const evidence = yield* gatherJoins(sql, awaited)
        const ownFailures = strict?.ownFailures ?? true
        for (const complaint of judgeJoins({ plan, evidence, ownFailures })) log.wrong(complaint)
        const { left, refused, sent, taken } = countSignals({ plan, evidence })
        log.count("signals sent", sent)
        log.count("signals taken", taken)
        log.count("signals left", left)
        log.count("signals refused", refused)
        log.count("parents joined", evidence.joined.size)
        log.count("tasks of trees", plan.trees.flatMap(allOf).length)
        log.count("children deleted by hand", evidence.felled.size)
      })
  }
}

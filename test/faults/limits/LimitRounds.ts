/** Tasks with limits, beside the plans of each round. */
import { Effect, Fiber, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { persist } from "../Persist.ts"
import type { Beside, Scene } from "../FaultContext.ts"
import type { Random } from "../Random.ts"
import { readDoorLog } from "./DoorLog.ts"
import { isExact, judgeLimits, type LimitEvidence, type NotedRun } from "./LimitOracle.ts"
import { type LimitPlan, makeLimitPlans, makeRatePlans } from "./LimitPlan.ts"
import { createLimitTables, emptyLimitTables } from "./LimitTables.ts"
import { beginning, limited } from "./LimitTask.ts"
import { LimitWatch } from "./LimitWatch.ts"
import { countLong, judgeRates, type RateEvidence } from "./RateOracle.ts"
import { standStill } from "./StandStill.ts"
import type { Still } from "./Still.ts"

/** If nothing changes for this long, nothing ever will. In milliseconds. */
const patience = 60_000

const plansOfRound = { slots: 60, rates: 40 }

/** What a few steps take: longer than the lease of many workers, in milliseconds. */
const slow = 3000

/** Between two plans, in milliseconds. */
const rest = 150

/** Stores a plan as it says. Those with keys, and those from SQL, don't know their limit yet. */
const store = (sql: SqlClient.SqlClient, plan: LimitPlan): Effect.Effect<unknown, unknown, SqlClient.SqlClient> => {
  const state = beginning(plan)
  switch (plan.how) {
    case "together":
    case "batch":
      return limited.enqueue(state)
    case "delayed":
      return limited.delay(state, "500 millis")
    case "keyed":
      return limited.enqueue(state, { key: plan.id })
    case "by hand": {
      const { _tag, ...fields } = state
      return sql`insert into pg_task (step) values (${JSON.stringify({ BesideLimited: { [_tag]: fields } })})`
    }
  }
}

/** In a transaction together with a note of it: so each plan is stored once. */
const storeOnce = (
  sql: SqlClient.SqlClient,
  plans: ReadonlyArray<LimitPlan>,
  enqueue: (plans: ReadonlyArray<LimitPlan>) => Effect.Effect<unknown, unknown, SqlClient.SqlClient>
) =>
  sql.withTransaction(Effect.flatMap(
    sql<{ plan: string }>`insert into limit_enqueued select unnest(${plans.map(({ id }) => id)}::text[])
      on conflict do nothing returning plan`,
    (rows) => {
      const fresh = plans.filter(({ id }) => rows.some(({ plan }) => plan === id))
      return fresh.length === 0 ? Effect.void : enqueue(fresh)
    }
  )).pipe(
    Effect.catchDefect((defect) => Effect.fail(defect)),
    Effect.retry(Schedule.spaced("100 millis")),
    Effect.orDie,
    Effect.provideService(SqlClient.SqlClient, sql)
  )

const produce = ({ sql }: Scene, plans: ReadonlyArray<LimitPlan>, pause: number): Effect.Effect<void> =>
  Effect.gen(function*() {
    const batch = plans.filter(({ how }) => how === "batch")
    yield* storeOnce(sql, batch, (fresh) => limited.enqueueAll(fresh.map(beginning)))
    for (const plan of plans) {
      yield* storeOnce(sql, [plan], () => store(sql, plan))
      yield* Effect.sleep(pause)
    }
  })

interface OpenRow {
  readonly id: string
  readonly step: string
  readonly transitions: number
  readonly tried: number
  readonly slot: number | null
  readonly limit_key: string | null
  readonly error: string | null
}

const readOpen = ({ sql }: Scene) =>
  persist(sql<OpenRow>`select id::text, left(step, 200) as step, transitions, tried, slot, limit_key, error
    from pg_task where task = 'BesideLimited' order by id`)

const byHand = /^parked by hand$/

/** Clears the errors that a hand, a plan or a fault asks for. */
const help = ({ log, sql }: Scene, rows: ReadonlyArray<OpenRow>, allowed: ReadonlyArray<RegExp>) =>
  Effect.gen(function*() {
    const parked = rows.filter(({ error }) => error !== null)
    for (const row of parked) {
      if (![byHand, ...allowed].some((pattern) => pattern.test(row.error!))) {
        log.wrong(`parked: ${JSON.stringify(row)}`)
      }
    }
    const ids = parked.map(({ id }) => id)
    if (ids.length > 0) yield* persist(sql`update pg_task set error = null where ${sql.in("id", ids)}`)
  })

const settle = (scene: Scene, plans: ReadonlyArray<LimitPlan>, allowed: ReadonlyArray<RegExp>): Effect.Effect<void> =>
  Effect.gen(function*() {
    yield* produce(scene, plans, 0)
    let [state, since] = ["", performance.now()]
    for (;;) {
      const rows = yield* readOpen(scene)
      if (rows.length === 0) return
      yield* help(scene, rows, allowed)
      const now = JSON.stringify(rows)
      if (now !== state) [state, since] = [now, performance.now()]
      if (performance.now() - since > patience) {
        return scene.log.wrong(`limited tasks are stuck: ${JSON.stringify(rows.slice(0, 5), null, 1)}`)
      }
      yield* Effect.sleep(200)
    }
  })

const millis = (time: string) => `(extract(epoch from ${time}) * 1000)::float8`

const gather = ({ sql }: Scene): Effect.Effect<LimitEvidence> =>
  Effect.gen(function*() {
    const plansIn = (table: string) =>
      Effect.map(
        persist(sql.unsafe<{ plan: string }>(`select plan from ${table}`)),
        (rows) => new Set(rows.map(({ plan }) => plan))
      )
    const runs = yield* persist(sql.unsafe<NotedRun>(
      `select plan, seq, key, slotless, young, task::text, transitions, attempt, started, ${
        millis("began")
      } as began, ${millis("ended")} as ended from limit_run`
    ))
    return { runs, gone: yield* plansIn("limit_gone"), touched: yield* plansIn("limit_touched") }
  })

/** Those of hands, and those of steps. */
const gatherStills = ({ sql }: Scene, byHand: ReadonlyArray<Still>): Effect.Effect<ReadonlyArray<Still>> =>
  Effect.map(
    persist(sql<Still>`select 'back-off' as what, name, since, until from limit_still`),
    (rows) => [...byHand, ...rows]
  )

const makePlans = (random: Random): ReadonlyArray<LimitPlan> => [
  ...makeLimitPlans(random, plansOfRound.slots, slow),
  ...makeRatePlans(random.fork("rates"), plansOfRound.rates)
]

const countRates = ({ log }: Scene, evidence: RateEvidence): void => {
  const { given, stills } = evidence
  log.count("moments of rates", given.filter(({ what }) => what === "moment").length)
  log.count("pauses", stills.filter(({ what }) => what === "pause").length)
  log.count("back-offs", stills.filter(({ what }) => what === "back-off").length)
  log.count("pauses and back-offs that were long enough for steps to be judged", countLong(evidence))
}

export const makeLimitRounds = (random: Random): Beside => {
  let rounds = 0
  let plans: ReadonlyArray<LimitPlan> = []
  let stills: Array<Still> = []
  let watch: LimitWatch | undefined
  let still: Fiber.Fiber<void> | undefined
  let fibers: ReadonlyArray<Fiber.Fiber<unknown>> = []
  return {
    tables: createLimitTables,
    prepare: (scene) =>
      Effect.gen(function*() {
        const drawn = random.fork(`round ${++rounds}`)
        plans = makePlans(drawn)
        stills = []
        watch = new LimitWatch(scene)
        yield* persist(scene.sql.unsafe(emptyLimitTables))
        const producing = yield* Effect.forkDetach(produce(scene, plans, rest))
        fibers = [producing, yield* Effect.forkDetach(watch.run)]
        still = yield* Effect.forkDetach(standStill(scene, drawn.fork("still"), (one) => void stills.push(one)))
      }),
    settle: (scene, allowed) =>
      Effect.gen(function*() {
        yield* Fiber.interrupt(fibers[0]!)
        yield* Fiber.join(still!)
        yield* settle(scene, plans, allowed)
        yield* Fiber.interruptAll(fibers)
      }),
    judge: (scene, strict) =>
      Effect.gen(function*() {
        const evidence = yield* gather(scene)
        for (const complaint of judgeLimits({ plans, evidence, strict })) scene.log.wrong(complaint)
        const ofRates = {
          runs: evidence.runs,
          given: yield* readDoorLog(scene.sql),
          stills: yield* gatherStills(scene, stills),
          looks: watch?.looks ?? []
        }
        const complaints = judgeRates(ofRates, { exact: isExact(strict), forgets: strict?.forgets === true })
        for (const complaint of complaints) scene.log.wrong(complaint)
        countRates(scene, ofRates)
        scene.log.count("limited steps", evidence.runs.length)
        scene.log.count("limited tasks deleted by hand", evidence.gone.size)
        scene.log.count("limited tasks parked, moved or renamed by hand", evidence.touched.size)
      })
  }
}

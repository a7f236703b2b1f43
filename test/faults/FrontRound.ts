/** A round in which another session holds the rows in front: the tasks behind them must be run all the same. */
import { Deferred, Effect, Fiber } from "effect"
import { persist } from "./EffectTables.ts"
import type { Plan } from "./Plan.ts"
import type { Random } from "./Random.ts"
import { plannedErrors, prepare, produce, settle } from "./Round.ts"
import { makeSpellPlans } from "./SpellPlans.ts"
import { concludeSpell, type SpellOptions, spells } from "./SpellRound.ts"
import type { Scene } from "./FaultContext.ts"

/** How long the tasks behind may stand still, in milliseconds: longer than the longest poll. */
const patience = 20_000

/** Rows of a task that the workers know, due soon. Nobody gets to run them. */
const insertFront = ({ sql }: Scene, rows: number) =>
  persist(sql`insert into pg_task (step, wakeup_at)
    select '{"Errand":{"Free":{"front":true}}}', now() + interval '3 seconds' from generate_series(1, ${rows}::int)`)

const isFront = `step = '{"Errand":{"Free":{"front":true}}}'`

const ways = {
  "for update": `select id from pg_task where ${isFront} for update`,
  "for share": `select id from pg_task where ${isFront} for share`,
  "a large update": `update pg_task set error = null where ${isFront} returning id`
}

/** Holds them from before they are due until `released`, and takes them away at the end. */
const holdFront = (
  { sql }: Scene,
  statement: string,
  held: Deferred.Deferred<number>,
  released: Deferred.Deferred<void>
) =>
  sql.withTransaction(Effect.gen(function*() {
    const rows = yield* sql.unsafe(statement)
    yield* Deferred.succeed(held, rows.length)
    yield* Deferred.await(released)
    yield* sql.unsafe(`delete from pg_task where ${isFront}`)
  }))

/** Until everything but the front is over. */
const awaitOthers = ({ log, sql }: Scene, what: string) =>
  Effect.gen(function*() {
    const look = persist(sql.unsafe<{ id: string; transitions: number }>(
      `select id::text, transitions from pg_task where task = 'Errand' and not (${isFront}) order by id`
    ))
    let [state, since] = ["", performance.now()]
    for (;;) {
      const rows = yield* look
      if (rows.length === 0) return
      const now = JSON.stringify(rows)
      if (now !== state) [state, since] = [now, performance.now()]
      if (performance.now() - since > patience) {
        return log.wrong(`${rows.length} tasks behind ${what} stood still for ${patience / 1000} s`)
      }
      yield* Effect.sleep(100)
    }
  })

/** More rows in front than a worker with such a buffer looks at in one claim. */
const fronts = [
  { rows: 50, settings: { bufferSize: 0, concurrency: 1 } },
  { rows: 300, settings: { bufferSize: 5, concurrency: 4 } },
  { rows: 6000, settings: { bufferSize: 1000, concurrency: 10 } }
] as const

export interface FrontOptions extends SpellOptions {
  /** Exchanges the workers for such ones. */
  readonly hire: (settings: { readonly bufferSize: number; readonly concurrency: number }) => Effect.Effect<void>
}

const makePlans = (random: Random, count: number): ReadonlyArray<Plan> => {
  const plans = makeSpellPlans(random, count, { lease: 100, writes: true, longTransactions: false })
  // The longest-lived worker knows no errands: those at hand are the ones that this round is about.
  return plans.map((plan) => ({ ...plan, task: "Errand", how: "together" }))
}

export const frontRound = (scene: Scene, random: Random, { hire, plans: count, url }: FrontOptions) =>
  Effect.gen(function*() {
    const plans = makePlans(random.fork("plans"), count)
    const { rows, settings } = random.pick(fronts)
    const way = random.pick(["for update", "for share", "a large update"] as const)
    const what = `${rows} rows that are held (${way})`
    yield* prepare(scene, plans)
    yield* hire(settings)
    yield* scene.crew.ready
    yield* Effect.sleep(500)
    scene.crew.hiccup()
    const [held, released] = [yield* Deferred.make<number>(), yield* Deferred.make<void>()]
    yield* insertFront(scene, rows)
    const holder = yield* Effect.forkChild(holdFront(scene, ways[way], held, released))
    if ((yield* Deferred.await(held)) !== rows) scene.log.wrong(`${what} were touched before they were due`)
    yield* Effect.sleep(3500)
    yield* produce(scene, url, 0, [])
    yield* awaitOthers(scene, what)
    yield* Deferred.succeed(released, undefined)
    yield* Fiber.join(holder)
    yield* settle(scene, plans, plannedErrors)
    yield* concludeSpell(scene, plans, spells.locks.strict)
  })

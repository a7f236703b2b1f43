/** One round: plans are made and enqueued, things go wrong, they are put right, and the oracle looks at the end. */
import { Effect, Fiber, Schema } from "effect"
import * as Script from "../support/process/Script.ts"
import { gather, readRows, type Row } from "./RoundResult.ts"
import { rage } from "./Faults.ts"
import { emptyLedger, initialBalance, persist } from "./EffectTables.ts"
import { countAgain, judge, staysAt } from "./Oracle.ts"
import type { Strictness } from "./Strictness.ts"
import { accounts, makePlans, Plan } from "./Plan.ts"
import type { Random } from "./Random.ts"
import type { Scene, World } from "./FaultContext.ts"
import { replacedRunning, watchKeys } from "./keys/KeyLedger.ts"
import { withKeys } from "./keys/KeyPlans.ts"
import { endTicks, startTicks } from "./ticks/Schedules.ts"

export const producers = 3

/** If nothing changes for this long, nothing ever will. In milliseconds. */
export const patience = 60_000

const encode = Schema.encodeSync(Schema.fromJsonString(Plan))

export const prepare = (scene: Scene, plans: ReadonlyArray<Plan>) =>
  Effect.gen(function*() {
    const { beside, sql } = scene
    for (const statement of emptyLedger) yield* persist(sql.unsafe(statement))
    const rows = plans.map((plan, n) => ({ id: plan.id, producer: n % producers, content: encode(plan) }))
    yield* Effect.forEach(rows, (row) => persist(sql`insert into plan ${sql.insert(row)} on conflict do nothing`))
    yield* startTicks(sql)
    for (const { prepare } of beside) yield* prepare(scene)
  })

/** Enqueues all plans, from several processes. Some of these may be killed. */
export const produce = ({ log }: Scene, url: string, rest: number, victims: ReadonlyArray<number>) =>
  Effect.forEach(
    Array.from({ length: producers }, (_, n) => n),
    (n) =>
      Effect.scoped(Effect.gen(function*() {
        const script = yield* Script.run("test/faults/scripts/producer.ts", {
          args: [String(n), String(rest)],
          env: { DATABASE_URL: url }
        })
        if (victims.includes(n)) yield* Effect.forkScoped(Effect.andThen(Effect.sleep(5000), script.kill("SIGKILL")))
        const exit = yield* script.exit
        if (exit === "SIGKILL" && victims.includes(n)) log.count("producers killed")
        else if (exit !== 0) {
          log.wrong(`producer ${n} ended with ${exit}:\n    ${script.lines().slice(-20).join("\n    ")}`)
        }
      })),
    { concurrency: producers, discard: true }
  )

/** What a row may be parked for, on the way. */
export const plannedErrors = [/planned (failure|defect)/]
const afterFaults = [...plannedErrors, /^The worker crashed/]

/** Tells which rows have come to where they stay. */
const atRest = (plans: ReadonlyArray<Plan>, garbage: ReadonlyMap<string, boolean>) => {
  const ends = new Map(plans.map(({ id, ops }) => [id, ops.findIndex(staysAt)]))
  const isAtEnd = ({ error, plan, step }: Row) => {
    const seq = ends.get(plan ?? "") ?? -1
    const { kind } = plans.find(({ id }) => id === plan)?.ops[seq] ?? {}
    if (error === null || kind === undefined || !new RegExp(`"seq": ?${seq},`).test(step)) return false
    return kind === "broken" ? error.includes("planned") : error.startsWith("The worker crashed")
  }
  return (row: Row): boolean => {
    const mustPark = garbage.get(row.id)
    return mustPark === undefined ? isAtEnd(row) : !mustPark || row.error !== null
  }
}

/** Clears the errors of what need not stay parked, and returns what is still on its way. */
const help = ({ log, sql }: Scene, rests: (row: Row) => boolean, allowed: ReadonlyArray<RegExp>) =>
  Effect.gen(function*() {
    const rows = (yield* readRows(sql)).filter((row) => !rests(row))
    const parked = rows.filter(({ error }) => error !== null)
    for (const row of parked) {
      if (!allowed.some((pattern) => pattern.test(row.error!))) log.wrong(`parked: ${JSON.stringify(row)}`)
    }
    const ids = parked.map(({ id }) => id)
    if (ids.length > 0) yield* persist(sql`update pg_task set error = null where ${sql.in("id", ids)}`)
    return rows
  })

/** Fixes the world, and waits until every plan has come to where it stays. */
export const settle = (world: Scene, plans: ReadonlyArray<Plan>, allowed: ReadonlyArray<RegExp>): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { log, sql } = world
    yield* persist(sql`update world set fixed = true`)
    yield* endTicks(sql)
    const garbage = yield* persist(sql<{ id: string; parked: boolean }>`select id::text, parked from garbage`)
    const rests = atRest(plans, new Map(garbage.map(({ id, parked }) => [id, parked])))
    let [state, since] = ["", performance.now()]
    for (;;) {
      const rows = yield* help(world, rests, allowed)
      if (rows.length === 0) break
      const now = JSON.stringify(rows.map(({ id, transitions, tried }) => [id, transitions, tried]))
      if (now !== state) [state, since] = [now, performance.now()]
      if (performance.now() - since > patience) {
        return log.wrong(`stuck for ${patience / 1000} s: ${JSON.stringify(rows.slice(0, 5), null, 1)}`)
      }
      yield* Effect.sleep(200)
    }
    for (const { settle } of world.beside) yield* settle(world, allowed)
  })

/** Has the oracle look: strictly where no worker crashed. */
export const conclude = (scene: Scene, plans: ReadonlyArray<Plan>, strict?: Strictness) =>
  Effect.gen(function*() {
    const { log, sql } = scene
    const evidence = yield* gather(sql)
    for (const complaint of judge({ plans, evidence, strict })) log.wrong(complaint)
    if (strict?.forgets === true) log.count("asynchronous steps run again", countAgain({ plans, evidence }))
    for (const { judge } of scene.beside) yield* judge(scene, strict)
    log.count("tasks", evidence.enqueued.size + evidence.sent.size)
    log.count("steps", [...evidence.runs.values()].reduce((sum, runs) => sum + runs.length, 0))
    log.count("transfers", [...evidence.transfers.values()].flat().length)
    log.count("calls with keys", evidence.calls.length)
    log.count("states replaced while they ran", evidence.calls.filter(replacedRunning).length)
    log.count("ticks", evidence.ticking.ticks.length)
    log.say(`the oracle has looked at ${plans.length} plans`)
  })

/** No row is held, and no crash is counted: for when all workers have stopped gracefully. */
const checkReleased = ({ log, sql }: Scene) =>
  Effect.gen(function*() {
    for (const row of yield* readRows(sql)) {
      if (row.leased || row.crashes > 0) log.wrong(`not given back at a graceful stop: ${JSON.stringify(row)}`)
    }
  })

const untilSlow = ({ log, sql }: Scene, plans: ReadonlyArray<Plan>): Effect.Effect<void> =>
  Effect.gen(function*() {
    const slow = plans.filter(({ ops }) => ops.some(({ kind }) => kind === "slow")).map(({ id }) => id)
    const look = persist(sql`select from ran where seq = 1 and ${sql.in("plan", slow)}`)
    const end = performance.now() + patience
    while ((yield* look).length === 0) {
      if (performance.now() > end) return log.wrong(`no slow step has begun for ${patience / 1000} s`)
      yield* Effect.sleep(100)
    }
  })

/** Looks, until it is interrupted: in every snapshot of the database the accounts hold the same money. */
const watchMoney = ({ log, sql }: Scene): Effect.Effect<never> =>
  Effect.forever(Effect.gen(function*() {
    const rows = yield* persist(sql<{ sum: number }>`select sum(balance)::int as sum from account`)
    log.count("looks at the accounts")
    if (rows[0]!.sum !== accounts * initialBalance) log.wrong(`the accounts hold ${rows[0]!.sum} for a moment`)
    yield* Effect.sleep(500)
  }))

/** Looks, until it is interrupted, for what must not be while no worker crashes: leases that expire, and counted crashes. */
const watchLeases = ({ sql }: Scene, found: Map<string, string>): Effect.Effect<never> =>
  Effect.forever(Effect.gen(function*() {
    const rows = yield* persist(sql<{ id: string; crashes: number }>`select id::text, crashes, left(step, 200) as step,
        is_running, lease_token, lease_until, updated_at, transitions, clock_timestamp() as now from pg_task
      where crashes > 0 or (is_running and lease_until < clock_timestamp() - interval '1 second')`)
    for (const row of rows) if (!found.has(row.id)) found.set(row.id, JSON.stringify(row))
    yield* Effect.sleep(200)
  }))

/**
 * Whether a worker had no turn for a good part of its lease, which may have ended then: for that long nobody can renew
 * it. Once the database is back after an outage, a worker has a third of a lease to connect and to renew.
 */
export const hasStalled = ({ crew, log }: Scene, lease: number): boolean => {
  const hiccup = crew.hiccup()
  if (hiccup <= lease * 0.15) return false
  log.say(`a worker had no turn for ${hiccup} ms: on this busy machine, leases may end`)
  log.count("rounds on a machine that was too busy")
  return true
}

/** A round without faults, but with workers that are replaced in the middle of it: everything is run once. */
export const calmRound = (world: Scene, random: Random, options: { readonly url: string; readonly lease: number }) =>
  Effect.gen(function*() {
    const { crew, log } = world
    const journeys = makePlans(random, 80, { slow: options.lease * 1.4, faults: false })
    const plans = withKeys(random.fork("keys"), journeys, { slow: 3000, faults: false })
    yield* prepare(world, plans)
    const ended = new Map<string, string>()
    const watch = yield* Effect.forkChild(watchLeases(world, ended))
    yield* produce(world, options.url, 0, [])
    yield* untilSlow(world, plans)
    log.say("stopping every worker")
    yield* crew.replaceAll(checkReleased(world))
    yield* settle(world, plans, plannedErrors)
    yield* Fiber.interrupt(watch)
    const { interrupters, interruptions } = crew
    const stalled = hasStalled(world, options.lease)
    for (const row of stalled ? [] : ended.values()) {
      log.wrong(`a lease ended, or a crash was counted, though nobody died: ${row}`)
    }
    yield* conclude(world, plans, {
      interruptions,
      interrupters,
      losses: 0,
      boundAgain: true,
      ownFailures: true,
      forgets: false,
      stalled
    })
  })

/** A round in which everything goes wrong. */
export const wildRound = (world: World, random: Random, options: {
  readonly url: string
  readonly plans: number
  /** How long the faults last, in milliseconds. */
  readonly millis: number
  /** Exchanges the workers for odd ones, or for plain ones. */
  readonly setOdd: (odd: boolean) => void
}) =>
  Effect.gen(function*() {
    const { crew, log } = world
    const { millis, plans: count, setOdd, url } = options
    const journeys = makePlans(random.fork("plans"), count, { slow: 2500, faults: true })
    const plans = withKeys(random.fork("keys"), journeys, { slow: 2500, faults: true })
    yield* prepare(world, plans)
    setOdd(true)
    yield* crew.replaceAll(Effect.void)
    const victims = random.chance(0.5) ? [random.int(0, producers - 1)] : []
    const producing = produce(world, url, millis * 2 / (count / producers), victims)
    const produced = Effect.andThen(producing, Effect.sync(() => log.say("all is enqueued")))
    const watch = yield* Effect.forkChild(
      Effect.all([watchMoney(world), watchKeys(log, world.sql)], { concurrency: 2 })
    )
    yield* Effect.all([produced, rage(world, random.fork("faults"), millis)], { concurrency: 2 })
    log.say("the faults are over")
    setOdd(false)
    yield* crew.replaceAll(Effect.void)
    yield* settle(world, plans, afterFaults)
    yield* Fiber.interrupt(watch)
    yield* conclude(world, plans)
  })

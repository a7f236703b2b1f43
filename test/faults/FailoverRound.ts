/**
 * A round on two servers: the primary is gone for longer than a lease, and its standby takes over, with a start time
 * of long ago. Workers and producers live on, and find it in the primary's place.
 */
import { Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { Migrations } from "../../src/index.ts"
import { suiteClient, urlFor } from "./Client.ts"
import { type Pair, startPair } from "./Cluster.ts"
import { Crew } from "./WorkerProcesses.ts"
import { createLedger, persist } from "./EffectTables.ts"
import type { Logbook } from "./RunLog.ts"
import { makeProxy, type Proxy } from "./Proxy.ts"
import type { Random } from "./Random.ts"
import { playSpell, spellLease } from "./SpellRound.ts"
import type { Spell } from "./Spells.ts"
import { makeJoins } from "./joins/Joins.ts"
import { makeLimitRounds } from "./limits/LimitRounds.ts"
import { looking, sound, type Urls } from "./WorkerVariant.ts"
import type { Scene } from "./FaultContext.ts"

export interface FailoverOptions {
  readonly log: Logbook
  readonly plans: number
  readonly millis: number
}

interface Setting {
  readonly pair: Pair
  /** Between workers and their database. */
  readonly proxy: Proxy
  /** Between everybody else and it: it never hangs. */
  readonly ownProxy: Proxy
}

const withClient = <A, E>(url: string, use: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.provide(use, Layer.fresh(suiteClient(url)))

const isPromoted = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [found] = yield* sql<{ promoted: boolean }>`select pg_promote(true, 60) as promoted`
  return found!.promoted
})

/** Until each commit waits for the standby. */
const awaitStandby = (sql: SqlClient.SqlClient) =>
  persist(sql`select from pg_stat_replication where sync_state = 'sync'`).pipe(
    Effect.repeat({ until: (rows) => rows.length > 0, schedule: Schedule.spaced("50 millis") })
  )

/** How the workers see it, apart from the end of their connections. */
const outages = {
  /** Nobody listens. */
  refused: { _tag: "Refuse" },
  /** Nothing comes back, and nobody is told. */
  silent: { _tag: "Stall" },
  /** The standby answers, and only reads. */
  early: { _tag: "Fair" }
} as const

type Outage = keyof typeof outages

const failOver = ({ ownProxy, pair, proxy }: Setting, outage: Outage): Spell => (scene, random, millis) =>
  Effect.gen(function*() {
    const { primary, standby } = pair
    yield* Effect.sleep(random.int(millis * 0.4, millis * 0.7))
    const long = Math.round(spellLease * (1.3 + 1.2 * random.next()))
    scene.log.say(`the primary is gone for ${(long / 1000).toFixed(1)} s (${outage})`)
    yield* proxy.set(outages[outage])
    if (outage === "early") yield* proxy.point(standby.port)
    yield* primary.crash
    if (outage !== "silent") yield* proxy.cut
    yield* Effect.sleep(long)
    if (!(yield* Effect.orDie(withClient(standby.url, isPromoted)))) scene.log.wrong("the standby was not promoted")
    yield* ownProxy.point(standby.port)
    yield* proxy.point(standby.port)
    yield* proxy.set({ _tag: "Fair" })
    if (outage === "silent") yield* proxy.cut
    scene.log.count("failovers")
    scene.log.say("the standby has taken over")
  })

const play = (setting: Setting, urls: Urls, random: Random, { log, millis, plans }: FailoverOptions) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* awaitStandby(sql)
    yield* Migrations.run
    const beside = [makeJoins(random.fork("joins")), makeLimitRounds(random.fork("limits"))]
    const tables = beside.flatMap(({ tables }) => tables)
    for (const statement of createLedger(new URL(urls.direct).password, tables)) yield* sql.unsafe(statement)
    const variant = (name: string, random: Random) => looking(sound(name, urls, random, spellLease))
    const crew = new Crew({ log, random, variant })
    const scene: Scene = { log, crew, sql, beside }
    for (let n = 0; n < 3; n++) yield* crew.hire()
    const outage = random.pick(["refused", "silent", "early"] as const)
    yield* playSpell(scene, random, {
      spell: failOver(setting, outage),
      // Where the standby only reads, it refuses the steps' own writes.
      style: { lease: spellLease, writes: outage !== "early", longTransactions: false },
      strict: { losses: 2, boundAgain: true, forgets: true },
      atOnce: false
    }, { url: urls.observer, millis, plans })
    yield* crew.close
  })

export const failoverRound = (random: Random, options: FailoverOptions) =>
  Effect.scoped(Effect.gen(function*() {
    const pair = yield* Effect.orDie(startPair)
    const { port, url } = pair.primary
    const [proxy, ownProxy] = [yield* makeProxy(port), yield* makeProxy(port)]
    const direct = urlFor(url, "worker", proxy.port)
    const urls: Urls = { direct, proxied: direct, observer: urlFor(url, "observer", ownProxy.port) }
    const played = play({ pair, proxy, ownProxy }, urls, random, options)
    yield* withClient(urlFor(url, "postgres", ownProxy.port), Effect.scoped(played))
  }))

/** The suite: a server of its own, workers, a proxy between the two, and rounds until the time is over. */
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Migrations } from "../../src/index.ts"
import * as EmbeddedPostgres from "../../src/testing/EmbeddedPostgres.ts"
import { suiteClient, urlFor } from "./Client.ts"
import { Crew } from "./WorkerProcesses.ts"
import { createLedger, persist } from "./EffectTables.ts"
import type { Logbook } from "./RunLog.ts"
import { makeProxy } from "./Proxy.ts"
import { crashRound } from "./CrashRound.ts"
import { failoverRound } from "./FailoverRound.ts"
import { type FrontOptions, frontRound } from "./FrontRound.ts"
import { makeRandom, type Random } from "./Random.ts"
import { calmRound, wildRound } from "./Round.ts"
import { playSpell, spellLease, spells } from "./SpellRound.ts"
import { makeJoins } from "./joins/Joins.ts"
import { makeLimitRounds } from "./limits/LimitRounds.ts"
import { looking, odd, plain, sound, type Urls, type Variant } from "./WorkerVariant.ts"
import type { World } from "./FaultContext.ts"

/** The kinds of rounds, in the order in which they are played. The calm one is played once. */
export const kinds = ["calm", "wild", "locks", "front", "readonly", "crashes", "failover", "longTransactions"] as const
export type Kind = (typeof kinds)[number]

export interface Options {
  readonly kinds: ReadonlyArray<Kind>
  readonly seed: number
  readonly log: Logbook
  /** Ends after the round in which so many milliseconds are over. One round of each kind is played at least. */
  readonly atLeast: number
  /** How long the faults of a wild round last, in milliseconds. */
  readonly faults: number
  /** How many tasks are enqueued in a wild round. */
  readonly tasks: number
}

/** Small, so that it can be filled; and a crash of the server is none of the machine. */
const settings = { max_notify_queue_pages: "64", fsync: "off", max_connections: "150" }

/** Longer than any hiccup of a busy machine; and what slow steps take is longer. In milliseconds. */
const calmLease = 12_000

/** Of all that workers and producers had open. A busy server takes a while to notice that they are gone. */
const checkConnections = ({ log, sql }: World) =>
  Effect.gen(function*() {
    const look = persist(sql<{ name: string }>`select application_name as name from pg_stat_activity
      where backend_type = 'client backend' and application_name not like 'suite%'`)
    const end = performance.now() + 120_000
    while ((yield* look).length > 0 && performance.now() < end) yield* Effect.sleep(100)
    for (const { name } of yield* look) log.wrong(`a connection is left of ${name}`)
  })

/** Everything that rounds are played with. */
interface Setting {
  readonly options: Options
  readonly world: World
  readonly urls: Urls
  readonly random: Random
  /** Says what the workers are like that are hired from now on. */
  readonly hireSuch: (draw: Draw) => void
}

type Draw = (name: string, random: Random) => Variant

const calm = ({ random, urls, world }: Setting) =>
  calmRound(world, random.fork("calm"), { url: urls.direct, lease: calmLease })

const wild = ({ hireSuch, options, urls, world }: Setting, random: Random) => {
  const setOdd = (isOdd: boolean) =>
    hireSuch((name, random) => looking(isOdd ? odd(name, urls, random) : plain(name, urls, spellLease)))
  const { faults: millis, tasks: plans } = options
  return wildRound(world, random, { url: urls.observer, plans, millis, setOdd })
}

/** A spell takes its time from the workers' lease, however long the suite is to be. */
const spellOptions = { plans: 60, millis: 12_000 }

const spell = ({ hireSuch, urls, world }: Setting, name: keyof typeof spells, random: Random) =>
  Effect.gen(function*() {
    const kind = spells[name]
    // An answer may be lost to a COMMIT that ended a child: then nobody tells its parent.
    const like = kind.strict.losses === 0 ? (variant: Variant) => variant : looking
    hireSuch((name, random) => like(kind.draw(name, urls, random, spellLease)))
    yield* world.crew.replaceAll(Effect.void)
    yield* playSpell(world, random, kind, { ...spellOptions, url: urls.observer })
  })

const crash = ({ hireSuch, urls, world }: Setting, random: Random) =>
  Effect.gen(function*() {
    hireSuch((name, random) => looking(sound(name, urls, random, spellLease)))
    yield* world.crew.replaceAll(Effect.void)
    yield* crashRound(world, random, { ...spellOptions, url: urls.observer })
  })

const front = ({ hireSuch, urls, world }: Setting, random: Random) => {
  const hire: FrontOptions["hire"] = (settings) => {
    hireSuch((name, random) => {
      const usual = sound(name, urls, random, spellLease)
      return { ...usual, options: { ...usual.options, ...settings } }
    })
    return world.crew.replaceAll(Effect.void)
  }
  return frontRound(world, random, { ...spellOptions, url: urls.observer, hire })
}

const playRound = (setting: Setting, name: Exclude<Kind, "calm">, number: number) => {
  const { log } = setting.options
  const random = setting.random.fork(`round ${number}`)
  log.say(`round ${number}: ${name}`)
  log.count("rounds")
  log.count(`rounds (${name})`)
  if (name === "wild") return wild(setting, random)
  if (name === "front") return front(setting, random)
  if (name === "crashes") return crash(setting, random)
  return name === "failover" ? failoverRound(random, { log, ...spellOptions }) : spell(setting, name, random)
}

/** Each kind in turn, until the time is over. */
const playRounds = (setting: Setting, kinds: ReadonlyArray<Exclude<Kind, "calm">>) =>
  Effect.gen(function*() {
    const { crew } = setting.world
    setting.hireSuch((name) => plain(name, setting.urls, spellLease))
    for (let n = 0; n < 2; n++) yield* crew.hire()
    yield* crew.hire({ ...plain("elder", setting.urls, spellLease), tasks: "journeys" })
    const end = performance.now() + setting.options.atLeast
    for (let n = 0; n < kinds.length || (kinds.length > 0 && performance.now() < end); n++) {
      yield* playRound(setting, kinds[n % kinds.length]!, n + 1)
    }
  })

const play = (options: Options, server: EmbeddedPostgres.EmbeddedPostgres) =>
  Effect.gen(function*() {
    const { kinds, log, seed } = options
    const sql = yield* SqlClient.SqlClient
    yield* Migrations.run
    const random = makeRandom(seed)
    const beside = [makeJoins(random.fork("joins")), makeLimitRounds(random.fork("limits"))]
    const tables = beside.flatMap(({ tables }) => tables)
    for (const statement of createLedger(new URL(server.url).password, tables)) yield* sql.unsafe(statement)
    const proxy = yield* makeProxy(server.port)
    const urls: Urls = {
      direct: urlFor(server.url, "worker"),
      proxied: urlFor(server.url, "worker", proxy.port),
      observer: urlFor(server.url, "observer")
    }
    let draw: Draw = (name) => plain(name, urls, calmLease)
    const crew = new Crew({ log, random, variant: (name, random) => draw(name, random) })
    const world: World = { log, crew, proxy, server, sql, beside }
    const setting: Setting = { options, world, urls, random, hireSuch: (such) => void (draw = such) }
    for (let n = 0; n < 2; n++) yield* crew.hire()
    if (kinds.includes("calm")) yield* calm(setting)
    yield* playRounds(setting, kinds.filter((kind) => kind !== "calm"))
    yield* crew.close
    yield* checkConnections(world)
  })

/** More findings than this are not needed: something is broken that everything needs. */
const enough = 50

const untilEnough = ({ log }: Options): Effect.Effect<void> =>
  Effect.whileLoop({ while: () => log.wrongs.length < enough, body: () => Effect.sleep(500), step: () => {} })

/** Plays it all. What is wrong is in the log. */
export const runSuite = (options: Options) =>
  Effect.gen(function*() {
    const server = yield* EmbeddedPostgres.start({ settings })
    const played = Effect.provide(play(options, server), Layer.fresh(suiteClient(server.url)))
    yield* Effect.raceFirst(played, untilEnough(options))
  }).pipe(Effect.scoped)

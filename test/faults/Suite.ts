/** The suite: a server of its own, workers, a proxy between the two, and rounds until the time is over. */
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { Migrations } from "../../src/index.ts"
import * as EmbeddedPostgres from "../../src/testing/EmbeddedPostgres.ts"
import { Crew } from "./Crew.ts"
import { createLedger, persist } from "./Ledger.ts"
import type { Logbook } from "./Logbook.ts"
import { makeProxy } from "./Proxy.ts"
import { makeRandom } from "./Random.ts"
import { calmRound, wildRound } from "./Round.ts"
import { odd, plain, type Urls } from "./Variant.ts"
import type { World } from "./World.ts"

export interface Options {
  readonly seed: number
  readonly log: Logbook
  /** Ends after the round in which so many milliseconds are over. At least one round is played. */
  readonly atLeast: number
  /** How long the faults of a round last, in milliseconds. */
  readonly faults: number
  /** How many tasks are enqueued in a round. */
  readonly tasks: number
}

/** Small, so that it can be filled; and a crash of the server is none of the machine. */
const settings = { max_notify_queue_pages: "64", fsync: "off", max_connections: "150" }

/** Longer than any hiccup of a busy machine; and what slow steps take is longer. In milliseconds. */
const calmLease = 12_000

const urlFor = (url: string, user: string, port?: number): string => {
  const it = new URL(url)
  it.username = user
  if (port !== undefined) it.port = String(port)
  return it.href
}

const suiteClient = (url: string) =>
  PgClient.layer({ url: Redacted.make(url), maxConnections: 20, applicationName: "suite" })

/** Of all that workers and producers had open. */
const checkConnections = ({ log, sql }: World) =>
  Effect.gen(function*() {
    const look = persist(sql<{ name: string }>`select application_name as name from pg_stat_activity
      where backend_type = 'client backend' and application_name not like 'suite%'`)
    for (let n = 0; n < 50 && (yield* look).length > 0; n++) yield* Effect.sleep(100)
    for (const { name } of yield* look) log.wrong(`a connection is left of ${name}`)
  })

const play = (options: Options, server: EmbeddedPostgres.EmbeddedPostgres) =>
  Effect.gen(function*() {
    const { log, seed } = options
    const sql = yield* SqlClient.SqlClient
    yield* Migrations.run
    for (const statement of createLedger(new URL(server.url).password)) yield* sql.unsafe(statement)
    const proxy = yield* makeProxy(server.port)
    const urls: Urls = {
      direct: urlFor(server.url, "worker"),
      proxied: urlFor(server.url, "worker", proxy.port),
      observer: urlFor(server.url, "observer")
    }
    const random = makeRandom(seed)
    let lease = calmLease
    let isOdd = false
    const variant = (name: string, random: ReturnType<typeof makeRandom>) =>
      isOdd ? odd(name, urls, random) : plain(name, urls, lease)
    const crew = new Crew({ log, random, variant })
    const world: World = { log, crew, proxy, server, sql }
    for (let n = 0; n < 2; n++) yield* crew.hire()
    yield* calmRound(world, random.fork("calm"), { url: urls.direct, slow: calmLease * 1.4 })
    lease = 2000
    for (let n = 0; n < 2; n++) yield* crew.hire()
    yield* crew.hire({ ...plain("elder", urls, lease), tasks: "journeys" })
    const setOdd = (odd: boolean) => void (isOdd = odd)
    const end = performance.now() + options.atLeast
    for (let round = 1; round === 1 || performance.now() < end; round++) {
      log.say(`round ${round}`)
      log.count("rounds")
      const { faults: millis, tasks: plans } = options
      yield* wildRound(world, random.fork(`round ${round}`), { url: urls.observer, plans, millis, setOdd })
    }
    yield* crew.close
    yield* checkConnections(world)
  })

/** More than so many findings tell nothing new: something is broken that everything needs. */
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

/**
 * Times in which the database is hard to use, but no worker crashes: locks on rows, and a database that is read-only.
 */
import { Effect, Fiber } from "effect"
import { persist } from "./EffectTables.ts"
import type { Random } from "./Random.ts"
import type { Scene } from "./FaultContext.ts"

/** What goes on for a while. All is right again when it ends. */
export type Spell = (scene: Scene, random: Random, millis: number) => Effect.Effect<void>

// ---------------------------------------------------------------------------------------------------------------
// Locks
// ---------------------------------------------------------------------------------------------------------------

/** Which rows a session locks. */
const targets = {
  running: "is_running",
  due: "error is null and not is_running and wakeup_at <= now()",
  waiting: "wakeup_at > now()",
  any: "true"
}

/** The first is the documentation's way to retry what is parked; the others are what clients and foreign keys do. */
const holds = ["clear", "for update", "for update", "for no key update", "for share", "for key share"] as const

interface Lock {
  readonly target: keyof typeof targets
  readonly hold: (typeof holds)[number]
  readonly rows: number
  readonly seed: number
}

/** Doesn't wait for locks: rows that another session holds just now are left out. */
const lock = ({ hold, rows, seed, target }: Lock): string => {
  const chosen = (strength: string) =>
    `select id from pg_task where ${
      targets[target]
    } order by md5(id::text || '${seed}') limit ${rows} ${strength} skip locked`
  return hold === "clear"
    ? `update pg_task set error = null where id in (${chosen("for update")}) returning id`
    : chosen(hold)
}

const drawLock = (random: Random): Lock => ({
  target: random.weighted({ running: 6, due: 2, waiting: 1, any: 3 }),
  hold: random.pick(holds),
  rows: random.pick([1, 5, 10, 1000]),
  seed: random.int(0, 1e9)
})

/** A session that locks rows, and ends its transaction only after so many milliseconds. */
const holdRows = ({ log, sql }: Scene, drawn: Lock, millis: number, commits: boolean): Effect.Effect<void> => {
  const held = Effect.gen(function*() {
    const rows = yield* sql.unsafe(lock(drawn))
    log.count(`rows locked (${drawn.target})`, rows.length)
    if (rows.length > 0) yield* Effect.sleep(millis)
    if (!commits) yield* Effect.fail("rolled back")
  })
  return Effect.ignoreCause(sql.withTransaction(held))
}

/** From a moment to several leases, in milliseconds. */
const lockMillis = (random: Random): number =>
  random.weighted({ short: 1, long: 2 }) === "short"
    ? random.int(300, 3000)
    : random.int(3000, 10_000)

/** One lock among other faults. */
export const lockForLong = (scene: Scene, random: Random): Effect.Effect<void> =>
  holdRows(scene, drawLock(random), lockMillis(random), random.chance(0.5))

/** Locks on all kinds of rows, several at a time. */
export const locks: Spell = (scene, random, millis) =>
  Effect.gen(function*() {
    const fibers: Array<Fiber.Fiber<void>> = []
    const end = performance.now() + millis
    while (performance.now() < end) {
      fibers.push(yield* Effect.forkChild(lockForLong(scene, random)))
      yield* Effect.sleep(random.int(200, 1500))
    }
    yield* Effect.forEach(fibers, Fiber.join, { discard: true })
  })

// ---------------------------------------------------------------------------------------------------------------
// Read only
// ---------------------------------------------------------------------------------------------------------------

const send = ({ sql }: Scene, text: string) => Effect.asVoid(persist(sql.unsafe(text)))

const reconnect = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'worker'"

const setting = "default_transaction_read_only"

/** For new connections, so all are ended: as when clients find the server that was the writer until now. */
const databaseReads = (scene: Scene, millis: number): Effect.Effect<void> =>
  Effect.gen(function*() {
    const [found] = yield* persist(scene.sql<{ name: string }>`select quote_ident(current_database()) as name`)
    const alter = (what: string) =>
      Effect.andThen(
        send(scene, `alter database ${found!.name} ${what} ${setting}${what === "set" ? " = on" : ""}`),
        send(scene, reconnect)
      )
    yield* Effect.ensuring(Effect.andThen(alter("set"), Effect.sleep(millis)), alter("reset"))
  })

/** For all connections that there are, which stay. */
const serverReads = (scene: Scene, millis: number): Effect.Effect<void> => {
  const alter = (what: string) =>
    Effect.andThen(send(scene, `alter system ${what}`), send(scene, "select pg_reload_conf()"))
  return Effect.ensuring(
    Effect.andThen(alter(`set ${setting} = on`), Effect.sleep(millis)),
    alter(`reset ${setting}`)
  )
}

/** How often connections are ended by {@link readOnly}, at most. */
export const mostReconnects = 4

export const readOnly: Spell = (scene, random) =>
  Effect.gen(function*() {
    for (const reads of random.chance(0.5) ? [databaseReads, serverReads] : [serverReads, databaseReads]) {
      yield* Effect.sleep(random.int(1000, 3000))
      const millis = random.int(2000, 7000)
      scene.log.say(`read only for ${(millis / 1000).toFixed(1)} s`)
      yield* reads(scene, millis)
    }
  })

/** Nothing goes wrong. */
export const quiet: Spell = (_, __, millis) => Effect.sleep(millis)

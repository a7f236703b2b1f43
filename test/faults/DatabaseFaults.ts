/** A server that ends connections, limits them, locks the table, and goes away. */
import { Effect, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { Migrations } from "../../src/index.ts"
import { persist } from "./EffectTables.ts"
import type { Random } from "./Random.ts"
import { lockForLong } from "./Spells.ts"
import type { Fault, World } from "./FaultContext.ts"

/** A statement without parameters, whatever it is. */
const run = ({ sql }: World, text: string) => Effect.asVoid(persist(sql.unsafe(text)))

/** The same, in vain if the database goes away in the middle of it. */
const attempt = ({ sql }: World, ...texts: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.ignoreCause(sql.withTransaction(Effect.forEach(texts, (text) => sql.unsafe(text))))

const others = "datname = current_database() and application_name not like 'suite%' and pid <> pg_backend_pid()"

const connectionsEnded = "connections terminated"
const statementsCancelled = "statements cancelled"

const onSome = (call: "pg_terminate_backend" | "pg_cancel_backend"): Fault => (world, random) =>
  Effect.map(
    persist(world.sql.unsafe(
      `select ${call}(pid) from (
      select pid from pg_stat_activity where ${others} order by md5(pid || '${random.int(0, 1e9)}')
      limit ${random.int(1, 8)}
    ) p`
    )),
    (rows) => world.log.count(call === "pg_terminate_backend" ? connectionsEnded : statementsCancelled, rows.length)
  )

const restart = (mode: "fast" | "immediate"): Fault => ({ server }) => Effect.orDie(server.restart(mode))

const reconnect = `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'worker'`

/** Something about the workers' role is different for a while: for new connections, so all have to connect anew. */
const role = (on: (random: Random) => string, off: string): Fault => (world, random) =>
  run(world, `alter role worker ${on(random)}`).pipe(
    Effect.andThen(run(world, reconnect)),
    Effect.andThen(Effect.sleep(random.int(300, 2500))),
    Effect.ensuring(Effect.andThen(run(world, `alter role worker ${off}`), run(world, reconnect)))
  )

const timeouts = role(
  (random) => `set statement_timeout = '${random.int(1, 20)}ms'`,
  "reset statement_timeout"
)

const readOnly = role(() => "set default_transaction_read_only = on", "reset default_transaction_read_only")

const crowded = role((random) => `connection limit ${random.int(1, 4)}`, "connection limit -1")

/** A transaction that stays open for a while. */
const hold = (statements: (random: Random) => ReadonlyArray<string>, longest: number): Fault => (world, random) =>
  attempt(world, ...statements(random), `select pg_sleep(${random.int(200, longest) / 1000})`)

const vacuum: Fault = (world) => Effect.ignoreCause(world.sql.unsafe("vacuum full pg_task"))

const longTransaction = hold(
  () => ["set transaction isolation level repeatable read", "select count(*) from pg_task"],
  6000
)

const lockTable = hold(
  (random) => [`lock table pg_task in ${random.pick(["share", "exclusive", "access exclusive"])} mode`],
  1500
)

const lockRows = hold(
  (random) => [`select from pg_task order by md5(id::text || '${random.int(0, 1e9)}') limit 20 for update`],
  3000
)

const migrate: Fault = ({ sql }) => Effect.ignoreCause(Effect.provideService(Migrations.run, SqlClient.SqlClient, sql))

/** Fills the queue of notifications: a listener that sits in a transaction keeps them all. */
const flood = ({ sql }: World): Effect.Effect<void, SqlError, Scope.Scope> =>
  Effect.gen(function*() {
    const listener = yield* sql.reserve
    const send = (text: string) => listener.executeUnprepared(text, [], undefined)
    yield* send("listen nothing")
    yield* send("begin")
    yield* Effect.addFinalizer(() => Effect.ignoreCause(Effect.andThen(send("rollback"), send("unlisten *"))))
    yield* send("select 1")
    const full = sql`select pg_notify('nothing', repeat('x', 7900))`
    yield* Effect.whileLoop({ while: () => true, body: () => full, step: () => {} })
  })

/** While it is full, nothing that notifies can be committed. */
const fullQueue: Fault = (world, random) =>
  Effect.scoped(
    Effect.gen(function*() {
      yield* Effect.ignoreCause(flood(world))
      const rows = yield* persist(world.sql<{ usage: number }>`select pg_notification_queue_usage() as usage`)
      if (rows[0]!.usage > 0.9) world.log.count("notification queues filled")
      yield* Effect.sleep(random.int(200, 1500))
    })
    // Asking for its usage is what makes Postgres forget what everybody has read.
  ).pipe(Effect.andThen(run(world, "select pg_notification_queue_usage()")))

export const databaseFaults = {
  terminate: onSome("pg_terminate_backend"),
  "cancel statements": onSome("pg_cancel_backend"),
  "restart fast": restart("fast"),
  "restart immediate": restart("immediate"),
  timeouts,
  "read only": readOnly,
  crowded,
  vacuum,
  "long transaction": longTransaction,
  "lock table": lockTable,
  "lock rows": lockRows,
  "lock rows for long": lockForLong,
  migrate,
  "full queue": fullQueue
} satisfies { readonly [name: string]: Fault }

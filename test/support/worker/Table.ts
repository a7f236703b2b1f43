/** Looks at `pg_task` the way its users do: by SQL. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { eventually } from "./Wait.ts"

/** A row, with its times as milliseconds from now by Postgres's clock. */
export interface Row {
  readonly id: string
  readonly step: string
  readonly task: string | null
  readonly status: "ready" | "scheduled" | "running" | "parked"
  readonly tried: number
  readonly error: string | null
  readonly crashes: number
  readonly transitions: number
  readonly token: string | null
  /** Until it is due. */
  readonly dueIn: number
  /** From its last change to when it is due. */
  readonly delay: number
  /** Until its lease is over. */
  readonly leaseIn: number | null
  /** When its lease is over, in milliseconds since 1970. */
  readonly leaseUntil: number | null
}

const millis = (time: string) => `(extract(epoch from ${time}) * 1000)::float8`

/** Of numbers, because before Postgres 17 infinite times can't be subtracted. */
const between = (end: string, begin: string) =>
  `((extract(epoch from ${end}) - extract(epoch from ${begin})) * 1000)::float8`

const columns = `id::text as id, step, task, tried, error, crashes, transitions, lease_token::text as token,
  case when is_running then 'running' when error is not null then 'parked' when wakeup_at <= now() then 'ready'
    else 'scheduled' end as status,
  ${between("wakeup_at", "clock_timestamp()")} as "dueIn",
  ${between("wakeup_at", "updated_at")} as delay,
  ${between("lease_until", "clock_timestamp()")} as "leaseIn",
  ${millis("lease_until")} as "leaseUntil"`

/** Any statement, as a person would type it. */
export const run = <A extends object = Record<string, unknown>>(
  text: string,
  params: ReadonlyArray<unknown> = []
): Effect.Effect<ReadonlyArray<A>, SqlError, SqlClient.SqlClient> =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe<A>(text, params).withoutTransform)

/** All rows, in the order in which they were made. */
export const rows: Effect.Effect<ReadonlyArray<Row>, SqlError, SqlClient.SqlClient> = run<Row>(
  `select ${columns} from pg_task order by created_at, id`
)

/** The row of one task, or undefined when it is done. */
export const row = (id: string): Effect.Effect<Row | undefined, SqlError, SqlClient.SqlClient> =>
  Effect.map(run<Row>(`select ${columns} from pg_task where id = $1::uuid`, [id]), (found) => found[0])

/** Waits until a task's row looks as expected. */
export const rowWhere = (
  id: string,
  holds: (row: Row) => boolean
): Effect.Effect<Row, SqlError, SqlClient.SqlClient> =>
  Effect.map(eventually(row(id), (found) => found !== undefined && holds(found)), (found) => found!)

export const parked = (id: string): Effect.Effect<Row, SqlError, SqlClient.SqlClient> =>
  rowWhere(id, ({ status }) => status === "parked")

/** Waits until a task is done. */
export const gone = (id: string): Effect.Effect<unknown, SqlError, SqlClient.SqlClient> =>
  eventually(row(id), (found) => found === undefined)

/** Waits until every task is done: there may be very many. */
export const empty: Effect.Effect<unknown, SqlError, SqlClient.SqlClient> = eventually(
  run<Row>(`select ${columns} from pg_task limit 1`),
  (found) => found.length === 0
)

/** Tells all workers of the table to stop. */
export const stopAll: Effect.Effect<unknown, SqlError, SqlClient.SqlClient> = run(
  "select pg_notify('pg_task_changed', 'stop_worker')"
)

/** Inserts a row the way that people and programs in other languages do. */
export const insert = (step: string): Effect.Effect<string, SqlError, SqlClient.SqlClient> =>
  Effect.map(
    run<{ id: string }>("insert into pg_task (step) values ($1) returning id::text", [step]),
    (found) => found[0]!.id
  )

/** Another worker takes a task: the row has another token from now on. */
export const steal = (id: string): Effect.Effect<unknown, SqlError, SqlClient.SqlClient> =>
  run(
    "update pg_task set lease_token = gen_random_uuid(), lease_until = now() + interval '1 hour' where id = $1::uuid",
    [id]
  )

/** A row as a crashed worker leaves it: claimed, with a lease that expires this many milliseconds from now. */
export const orphan = (
  id: string,
  leaseIn: number | null
): Effect.Effect<unknown, SqlError, SqlClient.SqlClient> =>
  run(
    `update pg_task set is_running = true, lease_token = gen_random_uuid(),
      lease_until = now() + $2::float8 * interval '1 millisecond' where id = $1::uuid`,
    [id, leaseIn]
  )

/** Waits until this many connections of this database listen. */
export const listening = (connections: number): Effect.Effect<unknown, SqlError, SqlClient.SqlClient> =>
  eventually(
    run("select pid from pg_stat_activity where datname = current_database() and query ilike 'listen%'"),
    (found) => found.length === connections
  )

/** What Postgres itself knows of the table's traffic and of the workers that listen. */
import type { SqlClient } from "effect/sql/SqlClient"
import { channel } from "./notify.ts"
import { query, type Rows } from "./query.ts"

export interface AdminTraffic {
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
}

/** Rows written since the server's statistics were last reset. It touches no row. */
export const traffic = (sql: SqlClient): Rows<AdminTraffic> =>
  query(
    sql,
    `select n_tup_ins::float8 as inserted, n_tup_upd::float8 as updated, n_tup_del::float8 as deleted
from pg_stat_user_tables where relid = 'pg_task'::regclass`,
    []
  )

export interface AdminListener {
  readonly pid: number
  readonly application: string
  readonly address: string | null
  /** In milliseconds since 1970. */
  readonly since: number
}

/** The sessions of this database whose last statement was the LISTEN of a worker. */
export const listeners = (sql: SqlClient): Rows<AdminListener> =>
  query(
    sql,
    `select pid, application_name as application, host(client_addr) as address,
  (extract(epoch from backend_start) * 1000)::float8 as since
from pg_stat_activity where datname = current_database() and query ~* '^\\s*listen\\M.*${channel}'
order by backend_start, pid`,
    []
  )

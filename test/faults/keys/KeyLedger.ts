/** What each call with a key was told, and the watch over the rows that have keys. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { persist } from "../Persist.ts"

export const createCalls = `create table called (plan text primary key, key text not null, created boolean not null,
  status text not null, task text not null, began timestamptz not null default now(),
  at timestamptz not null default clock_timestamp())`

/** A call whose transaction was committed. */
export interface Call {
  readonly plan: string
  readonly key: string
  readonly created: boolean
  /** What the row was at that moment. */
  readonly status: string
  /** The id of the row. */
  readonly task: string
  /** When its transaction began, and when it had the row: in microseconds since 1970, by Postgres's clock. */
  readonly began: number
  readonly at: number
}

/** Whether it came while the row ran. */
export const replacedRunning = ({ created, status }: Call): boolean => !created && status === "running"

export const micros = (time: string) => `(extract(epoch from ${time}) * 1000000)::float8`

/** In the order of their commits: calls that store or replace hold the row while they note it. */
export const readCalls = (sql: SqlClient.SqlClient): Effect.Effect<ReadonlyArray<Call>> =>
  persist(sql.unsafe<Call>(
    `select plan, key, created, status, task, ${micros("began")} as began, ${micros("at")} as at
    from called order by called.at`
  ))

/** Of the rows that have not ended: each plan's id begins with its key. */
const wrongRows = `select of, count(*)::int as rows, min(key) as key from (
  select substring(step from '"plan": ?"(k[0-9]+)[.]') as of, key from pg_task where task = 'Keyed' and ended_at is null
) r group by of having count(*) > 1 or min(key) is distinct from of`

/** Looks, until it is interrupted: in every snapshot a key has one row, and that row has it. */
export const watchKeys = (
  { count, wrong }: { readonly count: (what: string) => void; readonly wrong: (what: string) => void },
  sql: SqlClient.SqlClient
): Effect.Effect<never> =>
  Effect.forever(Effect.gen(function*() {
    for (const row of yield* persist(sql.unsafe(wrongRows))) wrong(`rows of one key: ${JSON.stringify(row)}`)
    count("looks at the keys")
    yield* Effect.sleep(300)
  }))

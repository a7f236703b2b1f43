/** Everything that the oracle looks at, read at the end of a round. */
import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import { persist, type Place, placeOf } from "./EffectTables.ts"
import { type Call, micros, readCalls } from "./keys/KeyLedger.ts"
import { readTicking, type Ticking } from "./ticks/TickLedger.ts"

/** One run of a step's handler. */
export interface Run extends Place {
  readonly attempt: number
  readonly key: string
  readonly worker: string
  /** In microseconds since 1970, by Postgres's clock. */
  readonly at: number
}

export interface Transfer extends Place {
  readonly source: number
  readonly target: number
  readonly amount: number
  readonly at: number
}

/** A row that is left. */
export interface Row {
  readonly id: string
  /** The id of its plan, if it has one. */
  readonly plan: string | null
  readonly step: string
  readonly tried: number
  readonly transitions: number
  readonly crashes: number
  readonly error: string | null
  /** It runs, or looks as if it did. */
  readonly leased: boolean
}

export interface Evidence {
  readonly enqueued: ReadonlySet<string>
  /** Whether it is known to have arrived. */
  readonly sent: ReadonlyMap<string, boolean>
  readonly cancelled: ReadonlySet<string>
  readonly runs: ReadonlyMap<string, ReadonlyArray<Run>>
  readonly transfers: ReadonlyMap<string, ReadonlyArray<Transfer>>
  readonly rows: ReadonlyArray<Row>
  /** Rows inserted as garbage, and whether they must be parked. */
  readonly garbage: ReadonlyMap<string, boolean>
  readonly balances: ReadonlyMap<number, number>
  /** How many crashes were counted while a plan's task ran. */
  readonly crashes: ReadonlyMap<string, number>
  readonly calls: ReadonlyArray<Call>
  readonly ticking: Ticking
}

const group = <A extends Place>(items: ReadonlyArray<A>): ReadonlyMap<string, ReadonlyArray<A>> => {
  const groups = new Map<string, Array<A>>()
  for (const item of items) {
    const place = placeOf(item)
    const found = groups.get(place)
    if (found === undefined) groups.set(place, [item])
    else found.push(item)
  }
  return groups
}

/** The tasks of the plans, and garbage. */
const notBeside = "coalesce(task, '') not like 'Beside%'"

/** The rows of tasks that have not ended. */
export const readRows = (sql: SqlClient.SqlClient): Effect.Effect<ReadonlyArray<Row>> =>
  persist(sql<Row>`select id::text, substring(step from '"plan": ?"([^"]+)"') as plan, left(step, 200) as step, tried,
    transitions, crashes, error, is_running or lease_token is not null or lease_until is not null as leased
    from pg_task where ${sql.literal(notBeside)} and ended_at is null
      and state is distinct from '$schedule' order by created_at`)

export const gather = (sql: SqlClient.SqlClient): Effect.Effect<Evidence> =>
  Effect.gen(function*() {
    const plans = (table: string) => persist(sql<{ plan: string }>`select plan from ${sql(table)}`)
    const setOf = (rows: ReadonlyArray<{ readonly plan: string }>) => new Set(rows.map(({ plan }) => plan))
    const sent = yield* persist(sql<{ plan: string; sure: boolean }>`select plan, sure from sent`)
    const garbage = yield* persist(sql<{ id: string; parked: boolean }>`select id::text, parked from garbage`)
    const accounts = yield* persist(sql<{ id: number; balance: number }>`select id, balance::int from account`)
    const crashes = yield* persist(
      sql<{ plan: string; n: number }>`select coalesce(plan, '') as plan, count(*)::int as n from crash group by 1`
    )
    return {
      enqueued: setOf(yield* plans("enqueued")),
      sent: new Map(sent.map(({ plan, sure }) => [plan, sure])),
      cancelled: setOf(yield* plans("cancelled")),
      runs: group(
        yield* persist(sql.unsafe<Run>(
          `select plan, seq, round, attempt, key, worker, ${micros("at")} as at from ran order by ran.at`
        ))
      ),
      transfers: group(
        yield* persist(sql.unsafe<Transfer>(
          `select plan, seq, round, source, target, amount, ${micros("at")} as at from transfer`
        ))
      ),
      rows: yield* readRows(sql),
      garbage: new Map(garbage.map(({ id, parked }) => [id, parked])),
      balances: new Map(accounts.map(({ balance, id }) => [id, balance])),
      crashes: new Map(crashes.map(({ n, plan }) => [plan, n])),
      calls: yield* readCalls(sql),
      ticking: yield* readTicking(sql)
    }
  })

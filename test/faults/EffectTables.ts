/** The tables beside `pg_task` by which the oracle sees what steps did. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { createCalls } from "./keys/KeyLedger.ts"
import { accounts, type Op } from "./Plan.ts"
import { persist } from "./Persist.ts"
import { createTicks } from "./ticks/TickLedger.ts"

export { persist }

/** Where a task is in its plan. */
export interface Place {
  readonly plan: string
  readonly seq: number
  readonly round: number
}

export const placeOf = ({ plan, round, seq }: Place): string => `${plan} ${seq}.${round}`

export const initialBalance = 10_000

/** Counts each crash that the library counts, also those that a later outcome sets back to 0. */
const noteCrashes: ReadonlyArray<string> = [
  "create table crash (plan text, crashes int not null)",
  `create function note_crash() returns trigger language plpgsql as $$ begin
    insert into crash values (substring(left(new.step, 200) from '"plan": ?"([^"]+)"'), new.crashes);
    return null;
  end $$`,
  `create trigger note_crash after update on pg_task for each row when (new.crashes > old.crashes)
    execute function note_crash()`
]

/**
 * All the tables of a run. The roles of its processes may do what they need, and no more; all have one password. What
 * the suite's own processes note is written in a read-only spell, too.
 */
export const createLedger = (password: string, beside: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...beside,
  "create table plan (id text primary key, producer int not null, content text not null)",
  "create table enqueued (plan text primary key)",
  "create table sent (plan text primary key, sure boolean not null)",
  "create table account (id int primary key, balance bigint not null)",
  `create table transfer (plan text, seq int, round int, source int, target int, amount int,
    at timestamptz not null default clock_timestamp())`,
  `create table ran (run uuid primary key, plan text, seq int, round int, attempt int, key text, worker text,
    at timestamptz not null default clock_timestamp())`,
  "create table world (fixed boolean not null)",
  "create table killed (plan text, seq int, run uuid primary key)",
  "create table robbed (plan text, seq int, round int, primary key (plan, seq, round))",
  "create table cancelled (plan text primary key)",
  "create table garbage (id uuid primary key, parked boolean not null)",
  createCalls,
  ...createTicks,
  ...noteCrashes,
  `create role worker login password '${password}'`,
  `create role observer login password '${password}'`,
  "alter role observer set default_transaction_read_only = off",
  "grant select, insert, update, delete on all tables in schema public to worker, observer"
]

export const emptyLedger: ReadonlyArray<string> = [
  "delete from pg_task",
  `truncate plan, enqueued, sent, account, transfer, ran, world, killed, robbed, cancelled, garbage, crash, called,
    ticked, clockwork, turned_back`,
  `insert into account select n, ${initialBalance} from generate_series(1, ${accounts}) n`,
  "insert into world values (false)"
]

/**
 * A transactional step that couldn't be stored before holds its row locked while it runs again: nobody can take the row
 * away then, and the step, which tries to, must not wait for itself.
 */
const unlessLocked = <A>(statement: Effect.Effect<ReadonlyArray<A>, SqlError>) =>
  Effect.catchIf(statement, ({ reason }) => reason._tag === "LockTimeoutError", () => Effect.succeed([]))

/** The money that a step moves: part of the caller's transaction. */
export const transfer = (
  sql: SqlClient.SqlClient,
  { plan, round, seq }: Place,
  op: Pick<Op, "from" | "to" | "amount" | "strict">
): Effect.Effect<void, SqlError> =>
  Effect.gen(function*() {
    if (op.strict) yield* sql`set transaction isolation level repeatable read`
    yield* sql`update account set balance = balance - ${op.amount}::int where id = ${op.from}::int`
    yield* sql`insert into transfer (plan, seq, round, source, target, amount) values
      (${plan}, ${seq}::int, ${round}::int, ${op.from}::int, ${op.to}::int, ${op.amount}::int)`
    yield* sql`update account set balance = balance + ${op.amount}::int where id = ${op.to}::int`
  })

export interface NotedRun {
  readonly attempt: number
  readonly key: string
  /**
   * Whether a crash of the server may undo the note. A note that waits for the disk takes all moves before it along:
   * none would ever be undone.
   */
  readonly isAsync: boolean
}

/** What steps note on a connection of their own, outside of their transactions. */
export interface Notes {
  readonly ran: (place: Place, run: NotedRun) => Effect.Effect<void>
  readonly isFixed: Effect.Effect<boolean>
  /** Counts a crash before it happens, and returns the number with this one. */
  readonly dies: (place: Place) => Effect.Effect<number>
  /** The first time, takes the row away from whoever runs it. Returns whether it did. */
  readonly rob: (place: Place, id: string) => Effect.Effect<boolean>
  /** Whether somebody else has had the row since then. */
  readonly isTaken: (id: string) => Effect.Effect<boolean>
  /** This many milliseconds from now, by Postgres's clock. */
  readonly fromNow: (millis: number) => Effect.Effect<DateTime.DateTime>
}

export const makeNotes = (observer: SqlClient.SqlClient, worker: string): Notes => ({
  ran: ({ plan, round, seq }, { attempt, isAsync, key }) => {
    const run = crypto.randomUUID()
    return Effect.asVoid(persist(
      observer`with setting as materialized (
        select set_config('synchronous_commit', ${isAsync ? "off" : "on"}, true)
      )
      insert into ran (run, plan, seq, round, attempt, key, worker)
      select ${run}::uuid, ${plan}, ${seq}::int, ${round}::int, ${attempt}::int, ${key}, ${worker} from setting
      on conflict do nothing`
    ))
  },
  isFixed: Effect.map(persist(observer<{ fixed: boolean }>`select fixed from world`), (rows) => rows[0]!.fixed),
  dies: ({ plan, seq }) => {
    const run = crypto.randomUUID()
    const noted = observer`insert into killed values (${plan}, ${seq}::int, ${run}::uuid) on conflict do nothing`
    const counted = observer<{ n: number }>`select count(*)::int as n from killed
      where plan = ${plan} and seq = ${seq}::int`
    return Effect.map(Effect.andThen(persist(noted), persist(counted)), (rows) => rows[0]!.n)
  },
  rob: ({ plan, round, seq }, id) =>
    Effect.map(
      persist(unlessLocked(observer`with first as (
        insert into robbed values (${plan}, ${seq}::int, ${round}::int) on conflict do nothing returning plan
      )
      update pg_task set is_running = false, lease_token = null, lease_until = null,
        wakeup_at = wakeup_at - interval '1 millisecond'
      where id = ${id}::uuid and exists (select from first)
        and (select set_config('lock_timeout', '2s', true)) is not null returning id`)),
      (rows) => rows.length > 0
    ),
  isTaken: (id) =>
    Effect.map(
      persist(observer`select id from pg_task where id = ${id}::uuid and lease_token is null and error is null`),
      (rows) => rows.length === 0
    ),
  fromNow: (millis) =>
    Effect.map(
      persist(observer<{ at: number }>`select extract(epoch from clock_timestamp())::float8 * 1000 as at`),
      (rows) => DateTime.makeUnsafe(rows[0]!.at + millis)
    )
})

/** The statements about leases: renewing those of a live worker, finding and rescuing those of a dead one. */
import type { SqlClient } from "effect/sql/SqlClient"
import type { TaskId } from "../../TaskId.ts"
import { unparked } from "./due.ts"
import { type KeptHistories, lostParam, writeLost } from "./history.ts"
import type { Params } from "./params.ts"
import { forceKeyLookup, hasKeyOf, notDurable, query, queryAlone, type Rows } from "./query.ts"
import { millis } from "./time.ts"

/** `forceKeyLookup`, for an id. */
const fewIds = (column: string) =>
  forceKeyLookup(column, "'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'")

/** A lease, as the worker that holds it identifies it. */
export interface Lease {
  readonly id: TaskId
  readonly token: string
}

/** The result of a renewal. A row that is not in the answer was deleted. */
export interface RenewedRow {
  readonly id: TaskId
  /**
   * - `renewed`;
   * - `locked`: another session has locked the row just now, for example our own write of its outcome;
   * - `taken`: the row has another token, or none.
   */
  readonly state: "renewed" | "locked" | "taken"
}

/** Renews leases, without waiting for locks. */
export const renewLeases = (sql: SqlClient, leases: ReadonlyArray<Lease>, lease: number): Rows<RenewedRow> =>
  queryAlone(
    sql,
    `with found as materialized (
  select t.id, (t.is_running and t.lease_token = a.token) is true as mine
  from unnest($1::uuid[], $2::uuid[]) as a(id, token) join pg_task t on ${hasKeyOf("t.id", "a.id")} where ${
      fewIds("a.id")
    }
), free as (
  select ctid from pg_task where id = any(array(select id from found where mine)) for no key update skip locked
), renewed as (
  update pg_task t set lease_until = now() + ${millis("$3")}, updated_at = now()
  where ${notDurable} and t.ctid = any(array(select ctid from free)) returning t.id
)
select f.id, case when not f.mine then 'taken' when r.id is null then 'locked' else 'renewed' end as state
from found f left join renewed r on r.id = f.id`,
    [leases.map(({ id }) => id), leases.map(({ token }) => token), lease]
  )

/** Those of these rows that exist. */
export const existing = (sql: SqlClient, ids: ReadonlyArray<TaskId>): Rows<{ readonly id: TaskId }> =>
  query(sql, "select id from pg_task where id = any($1::uuid[])", [ids])

// ---------------------------------------------------------------------------------------------------------------
// Looking for expired leases
// ---------------------------------------------------------------------------------------------------------------

/** What a look found: at least one row, without an id if no lease has expired. */
export interface LookRow {
  /** A row whose lease has expired. */
  readonly id: TaskId | null
  readonly token: string | null
  /** When this look took place, in milliseconds since 1970. */
  readonly since: number
  /** The time until the next lease that was seen expires, in milliseconds; null if there is none. */
  readonly next: number | null
  /** There are rows that this look did not reach. */
  readonly more: boolean
  /** False: another worker is looking just now, so this look has seen nothing. */
  readonly mine: boolean
}

/**
 * One worker at a time looks for expired leases in a table: looks may be long, and one for all is enough. Nobody waits
 * for the lock. It is held for the one statement, so it is free when its worker has died.
 */
const turn = `turn as materialized (
  select pg_try_advisory_xact_lock(71609257::int8 << 32 | 'pg_task'::regclass::oid::int8) as mine
)`
const isMine = "(select mine from turn)"

const hasExpired = "(lease_until is null or lease_until < now())"

/**
 * Reads `seen (id, is_running, lease_token, lease_until)`. It subtracts numbers, because infinite times can't be
 * subtracted before Postgres 17.
 */
const summary = (more: string) =>
  `select e.id, e.lease_token as token, (extract(epoch from now()) * 1000)::float8 as since,
  ((extract(epoch from n.next) - extract(epoch from clock_timestamp())) * 1000)::float8 as next, ${more} as more,
  ${isMine} as mine
from (select min(lease_until) as next from seen where is_running and not ${hasExpired}) n
left join (select id, lease_token from seen where is_running and ${hasExpired}) e on true`

const columns = "id, is_running, lease_token, lease_until"

/**
 * The rows of each task that have been due for the longest: the first `limit` entries of each in the index of due rows.
 * Running rows are among them, because claims take the oldest ones. The limit is hidden in a subquery: then the planner
 * assumes that a tenth of the rows is wanted, and reads the index in its order. If it knew the number, it might believe
 * that there are fewer rows than that, because it has no statistics, and read and sort every due row. (`task` is in the
 * order because the planner does not see that it is constant if the condition is `task is null`.)
 */
export const frontLook = (
  { add }: Params,
  { limit, tasks }: { readonly tasks: ReadonlyArray<string>; readonly limit: number }
): { readonly ctes: string; readonly select: string } => {
  const [names, most] = [add(tasks), add(limit)]
  const front = (condition: string) =>
    `select ${columns} from pg_task where ${isMine} and ${condition} and ${unparked} and wakeup_at <= now()
    order by task, wakeup_at limit (select ${most}::int8)`
  return {
    ctes: `${turn}, seen as materialized (
  select n.k, f.* from unnest(${names}::text[]) with ordinality as n(name, k) cross join lateral (
    ${front("task = n.name")}
  ) f
  union all select 0, f.* from (
    ${front("task is null")}
  ) f
)`,
    select: summary(`exists (select from seen group by k having count(*) >= ${most}::int8)`)
  }
}

/**
 * The running rows in some blocks of the table. That is bounded, whatever rows are in the blocks, live or dead. `page`
 * has no condition on a column of an index, so that the planner can only scan these blocks.
 */
export const lookInBlocks = (
  sql: SqlClient,
  tasks: ReadonlyArray<string>,
  blocks: { readonly from: number; readonly to: number }
): Rows<LookRow> =>
  queryAlone(
    sql,
    `with ${turn}, page as materialized (
  select ${columns}, error, task, wakeup_at from pg_task
  where ${isMine} and ctid >= ('(' || $2::int8 || ',0)')::tid and ctid < ('(' || $3::int8 || ',0)')::tid and is_running
), seen as materialized (
  select ${columns} from page
  where error is null and wakeup_at <= now() and (task = any($1::text[]) or task is null)
)
${summary("$3::int8 < pg_relation_size('pg_task') / current_setting('block_size')::int8")}`,
    [tasks, blocks.from, blocks.to]
  )

// ---------------------------------------------------------------------------------------------------------------
// Rescue
// ---------------------------------------------------------------------------------------------------------------

/** A lease that was seen expired. */
export interface Suspicion {
  readonly id: TaskId
  /** When it was seen, in milliseconds since 1970. A renewal after that makes the lease end later than this. */
  readonly since: number
  /** It has been expired for long enough: rescue the row. */
  readonly ripe: boolean
}

/** A row whose lease is still expired. Rows that are not in the answer were renewed, ended or taken. */
export interface JudgedRow {
  readonly id: TaskId
  /**
   * - `expired`: its worker could have renewed it;
   * - `locked`: it could not, because another session holds the row, or the server has just started;
   * - `rescued`: it was freed, or parked.
   */
  readonly state: "expired" | "locked" | "rescued"
  readonly task: string | null
  readonly crashes: number | null
  readonly parked: boolean | null
}

/** No lease counts as expired right after the server started: the workers could not renew while it was away. */
const isUp = (lease: string) => `pg_postmaster_start_time() < now() - ${millis(lease)}`

/**
 * Whether another session holds a row, as far as reading it shows. `xmax` is the last transaction that has locked or
 * changed it: 0 for none. Null if that is not certain: the transaction may have ended, be a part of another one (a
 * savepoint), or stand for several that hold the row together.
 */
const isHeld = (row: string) =>
  `case when ${row}.xmax = '0'::xid then false when ${row}.xmax::text::int8 = any(array(
    select x::text::int8 & 4294967295 from pg_snapshot_xip(pg_current_snapshot()) as x
  )) then true end`

/**
 * Looks at expired leases again, frees the rows of those that are ripe, and parks a row on which `maxCrashes` workers
 * in a row have crashed. Fails on a read-only server.
 *
 * It tries to lock a row only where it must: otherwise these locks would keep the row's own worker from renewing, all
 * the more the slower the server is.
 *
 * What a rescued row was is read before it is freed: then a pending state may take its place.
 */
export const judge = (
  sql: SqlClient,
  suspicions: ReadonlyArray<Suspicion>,
  options: { readonly maxCrashes: number; readonly lease: number; readonly kept?: KeptHistories }
): Rows<JudgedRow> =>
  queryAlone(
    sql,
    `with expired as materialized (
  select t.id, s.ripe, case when not ${isUp("$5")} then true else ${isHeld("t")} end as held
  from unnest($1::uuid[], $2::float8[], $3::bool[]) as s(id, since, ripe)
  join pg_task t on ${hasKeyOf("t.id", "s.id")}
  where ${fewIds("s.id")} and t.is_running and t.error is null
    and (t.lease_until is null or t.lease_until < to_timestamp(s.since / 1000))
), free as materialized (
  select id, ctid, task, state, transitions, tried from pg_task
  where id = any(array(select id from expired where ripe and held is not true or held is null))
    and is_running and ${hasExpired}
  for no key update skip locked
), rescued as (
  update pg_task t set is_running = false, lease_token = null, lease_until = null, crashes = t.crashes + 1,
    updated_at = now(),
    error = case when t.crashes + 1 >= $4 then
      format('The worker crashed %s times in a row while it ran this step: it was killed, ran out of memory, or lost '
        || 'the database for longer than its lease. Fix the cause, then clear this error.', t.crashes + 1) end
  where t.ctid = any(array(select ctid from free where id = any(array(select id from expired where ripe)))) returning t.id, t.crashes, t.error is not null as parked
), lost as materialized (select f.* from free f join rescued r on r.id = f.id), ${writeLost("lost", "$6")}
select e.id, case when r.id is not null then 'rescued'
  when e.ripe or e.held or e.held is null and f.id is null then 'locked' else 'expired' end
  as state, case when r.id is not null then f.task end as task, r.crashes, r.parked
from expired e left join free f on f.id = e.id left join rescued r on r.id = e.id left join wrote on true`,
    [
      suspicions.map(({ id }) => id),
      suspicions.map(({ since }) => since),
      suspicions.map(({ ripe }) => ripe),
      options.maxCrashes,
      options.lease,
      lostParam(options.kept)
    ]
  )

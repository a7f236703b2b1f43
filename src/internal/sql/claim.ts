/**
 * The statements that claim rows, give them back, and find out what is due next. Each of them is bounded: it reads a
 * number of rows that does not grow with the table. A long scan is done in parts.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskId } from "../../TaskId.ts"
import { firstByDue, quarantined, ready, unparked } from "./due.ts"
import { isKnown, type KnownTask, knownTasks, namesAndTags, tagsOf } from "./known.ts"
import { maxStep } from "./schema.ts"
import { notDurable, query, queryAlone, type Rows } from "./query.ts"
import { millis } from "./time.ts"
import { hasWaitFacts, waitFacts } from "./waits.ts"

/** A claimed row. */
export interface ClaimedRow {
  readonly id: TaskId
  /** Null if it is too long to be read. Postgres knows its length without reading it. */
  readonly step: string | null
  /** The size of what is read of it, in UTF-8. */
  readonly bytes: number
  readonly tried: number
  readonly transitions: number
  readonly crashes: number
  readonly trace: string | null
  /**
   * Its relations to other rows and waiters, as JSON: its parent, the slot that it holds, whether somebody waits for
   * its end, and what `WaitFacts` has. Null if it has none, as for most rows.
   */
  readonly facts: string | null
  /** When it became due, in milliseconds since 1970. */
  readonly due: number
  /** How long it had been due when it was claimed, in milliseconds. */
  readonly waited: number
}

export interface Claim {
  readonly tasks: ReadonlyArray<KnownTask>
  readonly limit: number
  /** Rows are taken until their states have this many bytes together, but at least one row. */
  readonly bytes: number
  readonly token: string
  readonly lease: number
}

/** Which rows to look at, by when they became due, in milliseconds since 1970. An undefined bound is open. */
export interface Window {
  /** Rows before it, dead rows too, are not read. */
  readonly from: number | undefined
  readonly to: number | undefined
}

export const everything: Window = { from: undefined, to: undefined }

const readable = `case when octet_length(step) <= ${maxStep}`
const bytes = `${readable} then octet_length(step) else 0 end`

/** A text costs half of what a JSON object does. So an object is made only for rows that have waited, or have signals. */
const facts = `case when ${hasWaitFacts}
    then json_strip_nulls(json_build_object(
    'parent', t.parent, 'limitKey', t.limit_key, 'slot', t.slot, 'slots', t.slots, 'watched', t.watched,
    ${waitFacts}))::text
  when t.parent is not null or t.slot is not null or t.watched
    then '{' || concat_ws(',', '"parent":"' || t.parent || '"', '"limitKey":' || to_json(t.limit_key),
      '"slot":' || t.slot, '"slots":' || t.slots, case when t.watched then '"watched":true' end) || '}' end`

/** The columns of a claimed row, and the time in them as numbers, so that no driver's date type is involved. */
const claimed = `t.id, t.tried, t.transitions, t.crashes, t.trace, ${readable} then step end as step, ${bytes} as bytes,
  ${facts} as facts, (extract(epoch from t.wakeup_at) * 1000)::float8 as due,
  ((extract(epoch from clock_timestamp()) - extract(epoch from t.wakeup_at)) * 1000)::float8 as waited`

/**
 * Updates the locked rows by their `ctid`, which cannot change while they are locked. These are passed as an array:
 * with a join, the planner sometimes chose a sequential scan, because the table has no statistics.
 */
const markClaimed = (ctids: string) =>
  `update pg_task t
set is_running = true, lease_token = $2::uuid, lease_until = now() + ${millis("$3")}, updated_at = now()
where ${notDurable} and t.ctid = any(${ctids}) returning ${claimed}`

/** Takes as many rows of `due` as the limit of bytes allows. Usually that is all, and no running total is computed. */
const takeWhatFits = markClaimed(`case when (select sum(bytes) from due) <= $4::float8 then array(select ctid from due)
  else array(select ctid from (
    select ctid, sum(bytes) over (order by wakeup_at rows between unbounded preceding and 1 preceding) as before
    from due
  ) d where before is null or before < $4::float8) end`)

const time = (param: string) => `to_timestamp(${param}::float8 / 1000)`
export const from = (param: string) => `wakeup_at >= ${time(param)}`

/** The columns of a locked row that `takeWhatFits` needs. */
const locked = `ctid, wakeup_at, ${bytes} as bytes`

/** The parameters of the tasks begin here: first the names, then the tags of each. */
const firstTask = 5

/** The parameter of the states of a task that a claim takes. */
const tags = (tasks: number, index: number) => `$${firstTask + tasks + index}::text[]`

/** One task, past the dead rows: a plain scan of the index. */
const claimOneFrom = `with due as (
  select ${locked} from pg_task where task = $5 and ${ready} and ${isKnown(tags(1, 0))} and wakeup_at <= now()
    and ${from("$7")}
  ${firstByDue("$1")} for update skip locked
) ${takeWhatFits}`

/**
 * The rows of any number of tasks, in the order in which they became due: the index gives each task's rows in that
 * order, and the union merges them. Because each branch has a limit, the merge does not sort all due rows. Rows without
 * a name are malformed: they are claimed to be parked.
 */
const inOrder = (
  tasks: number,
  { limit, malformed, more }: { readonly more: string; readonly limit: string; readonly malformed: boolean }
): string => {
  const branch = (condition: string, index: number) =>
    `(select ctid, wakeup_at, ${index} as branch from pg_task where ${condition} and wakeup_at <= now()${more}
    ${firstByDue(limit)})`
  const branches = Array.from(
    { length: tasks },
    (_, index) => branch(`task = $${firstTask + index} and ${ready} and ${isKnown(tags(tasks, index))}`, index)
  )
  return [...branches, ...(malformed ? [branch(`task is null and ${ready}`, tasks)] : [])].join("\n  union all ")
}

/** The states of the task of a row in `c`: null for a row without a name. */
const tagsOfBranch = (tasks: number): string =>
  tasks === 1 ?
    tags(1, 0) :
    `case c.branch ${
      Array.from({ length: tasks }, (_, index) => `when ${index} then ${tags(tasks, index)}`).join(" ")
    } end`

/**
 * Locks those of these rows that no other session has locked. `for update` can't be used with a union, so each row is
 * fetched again, in a lateral subquery, so that the planner keeps the order. Another session may have changed the row
 * meanwhile: so the conditions are checked again.
 */
const lockEachOf = (rows: string, tasks: number) =>
  `select r.* from ${rows} c cross join lateral (
    select ${locked} from pg_task where ctid = c.ctid and ${ready} and ${isKnown(tagsOfBranch(tasks))}
    for update skip locked
  ) r limit $1`

/** Each branch leaves room for rows that other workers are claiming. */
const claimMany = (tasks: number, window: Window): string => {
  const fromStart = window.from === undefined
  const bound = firstTask + 2 * tasks
  const after = fromStart ? "" : ` and ${from(`$${bound}`)}`
  const before = window.to === undefined ? "" : ` and wakeup_at < ${time(`$${fromStart ? bound : bound + 1}`)}`
  const malformed = fromStart || window.to !== undefined
  const rows = inOrder(tasks, { more: after + before, limit: "4 * $1::int", malformed })
  return `with due as (
  ${lockEachOf(`(${rows} order by wakeup_at)`, tasks)}
) ${takeWhatFits}`
}

/** The claimed rows. A look that began at a position also says how far it has come. */
export interface Found {
  readonly rows: ReadonlyArray<ClaimedRow>
  /** Where to go on. Undefined when it has seen all that is due. */
  readonly next?: Position | undefined
  /** When the last row that it has seen became due. */
  readonly furthest?: number | undefined
}

const paramsOf = (tasks: ReadonlyArray<KnownTask>) => [...tasks.map(({ name }) => name), ...tasks.map(tagsOf)]

/** Claims the first rows of a window. Looks at a few more than it wants. */
export const claim = (sql: SqlClient, options: Claim, window: Window): Effect.Effect<Found, SqlError> => {
  const { bytes, lease, limit, tasks, token } = options
  const text = window.from !== undefined && window.to === undefined && tasks.length === 1
    ? claimOneFrom
    : claimMany(tasks.length, window)
  const bounds = [window.from, window.to].filter((bound) => bound !== undefined)
  const rows = queryAlone<ClaimedRow>(sql, text, [limit, token, lease, bytes, ...paramsOf(tasks), ...bounds])
  return Effect.map(rows, (rows) => ({ rows }))
}

// ---------------------------------------------------------------------------------------------------------------
// Looks that go on where the last one has ended
// ---------------------------------------------------------------------------------------------------------------

/** The most rows that such a look reads. */
export const maxSeen = 5000

/** The row that a look has reached: when it became due, and its `ctid`, which orders rows that became due together. */
export interface Position {
  readonly due: number
  readonly place: string
}

/** The position before all rows that became due at this time or later. Undefined: before all rows. */
export const positionAt = (due: number | undefined): Position => ({ due: due ?? -Infinity, place: "(0,0)" })

const behind = (due: string, place: string) =>
  ` and ${from(due)} and (wakeup_at > ${time(due)} or ctid > ${place}::tid)`

/** How many rows a look has read, and the last one. */
const seenRows = `(select count(*)::int as seen from seen) n left join (
  select (extract(epoch from wakeup_at) * 1000)::float8 as "lastDue", ctid::text as "lastPlace"
  from seen order by wakeup_at desc, seen.ctid desc limit 1
) l on true`

interface Seen {
  readonly seen: number
  readonly lastDue: number | null
  readonly lastPlace: string | null
}

/** Where to go on, or undefined when there is nothing more. */
const goOnFrom = ({ lastDue, lastPlace, seen }: Seen): Position | undefined =>
  seen < maxSeen ? undefined : { due: lastDue!, place: lastPlace! }

const claimBehindText = (tasks: number): string => {
  const bound = firstTask + 2 * tasks
  const more = behind(`$${bound}`, `$${bound + 1}`)
  return `with seen as materialized (
  select ctid, wakeup_at, branch from (${inOrder(tasks, { more, limit: String(maxSeen), malformed: true })}) c
  order by wakeup_at, ctid limit ${maxSeen}
), due as (
  ${lockEachOf("seen", tasks)}
), taken as (
${takeWhatFits}
)
select n.*, l.*, k.* from ${seenRows} left join taken k on true`
}

/**
 * Claims rows behind those that other sessions have locked: it reads many more rows than it wants to claim. There may
 * be more locked rows than one statement should read, so it says where to go on.
 */
export const claimBehind = (
  sql: SqlClient,
  { bytes, lease, limit, tasks, token }: Claim,
  position: Position
): Effect.Effect<Found, SqlError> =>
  Effect.map(
    queryAlone<Seen & (ClaimedRow | { readonly id: null })>(
      sql,
      claimBehindText(tasks.length),
      [limit, token, lease, bytes, ...paramsOf(tasks), position.due, position.place]
    ),
    (found) => ({
      rows: found.filter((row) => row.id !== null),
      next: goOnFrom(found[0]!),
      furthest: found[0]!.lastDue ?? undefined
    })
  )

const free = "is_running = false, lease_token = null, lease_until = null, updated_at = now()"

const releaseBehindText = (condition: string) =>
  `with seen as materialized (
  select ctid, wakeup_at, lease_token from pg_task
  where ${condition} and ${unparked} and wakeup_at <= now()${behind("$2", "$3")}
  ${firstByDue(String(maxSeen))}
), freed as (
  update pg_task t set ${free}
  where ${notDurable} and t.ctid = any(array(select ctid from seen where lease_token = $1::uuid))
    and t.lease_token = $1::uuid
)
select n.*, l.* from ${seenRows}`

/**
 * Gives back the rows of one task (null: rows without a name) that were taken by a claim whose answer was lost. There
 * is no index on the tokens, because each claim would have to write it. So this reads the due rows, and says where to
 * go on.
 */
export const releaseBehind = (
  sql: SqlClient,
  { position, task, token }: { readonly token: string; readonly task: string | null; readonly position: Position }
): Effect.Effect<Position | undefined, SqlError> =>
  Effect.map(
    query<Seen>(
      sql,
      releaseBehindText(task === null ? "task is null" : "task = $4"),
      [token, position.due, position.place, ...(task === null ? [] : [task])]
    ),
    (found) => goOnFrom(found[0]!)
  )

/** The same for a claim of one row, whatever its task. Reads all running rows. */
export const releaseClaim = (sql: SqlClient, token: string): Rows<{ readonly id: TaskId }> =>
  query(
    sql,
    `update pg_task set ${free}
where ${notDurable} and is_running and lease_token = $1::uuid returning id`,
    [token]
  )

// ---------------------------------------------------------------------------------------------------------------
// Rows whose worker crashed, and the time
// ---------------------------------------------------------------------------------------------------------------

const firstQuarantined = (condition: string) =>
  `select ctid, wakeup_at from pg_task
    where ${condition} and ${quarantined} and crashes <= $6 and wakeup_at <= now()
    ${firstByDue("1")} for update skip locked`

/** Claims one row whose worker crashed while it held the row: the oldest of each task's first one in the index. */
export const claimQuarantined = (
  sql: SqlClient,
  claim: Omit<Claim, "bytes" | "limit"> & { readonly maxCrashes: number }
): Rows<ClaimedRow> =>
  query(
    sql,
    `with due as (
  select d.* from ${knownTasks("$4", "$5")} cross join lateral (
    ${firstQuarantined(`task = n.task and ${isKnown("n.tags")}`)}
  ) d
  union all select * from (
    ${firstQuarantined("task is null")}
  ) d
) ${markClaimed("array(select ctid from due order by wakeup_at limit $1)")}`,
    [1, claim.token, claim.lease, ...namesAndTags(claim.tasks), claim.maxCrashes]
  )

/** Postgres's time, in milliseconds since 1970. */
export const serverTime = (sql: SqlClient): Effect.Effect<number, SqlError> =>
  Effect.map(
    query<{ time: number }>(sql, "select (extract(epoch from clock_timestamp()) * 1000)::float8 as time", []),
    (found) => found[0]!.time
  )

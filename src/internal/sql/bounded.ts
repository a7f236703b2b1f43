/**
 * Reading with bounded work, for tables of any size: each statement follows the indexes on the task's name and
 * `wakeup_at`, and stops after a given number of rows.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { AdminCount, AdminErrorCount } from "./admin.ts"
import {
  columnsFor,
  type Keyset,
  keysetOf,
  namesIn,
  orderOfUnnamed,
  type PageOptions,
  type Part,
  parts as allParts
} from "./page.ts"
import { query, type Rows } from "./query.ts"
import {
  type AdminRow,
  age,
  conditions,
  errorLineOf,
  Params,
  present,
  since,
  status,
  type Status,
  type Where,
  whereClause
} from "./row.ts"
import { isInTransaction, transact } from "./transact.ts"

/** What is read of a part of the table, for each task: more conditions, and how many rows. */
interface Reading {
  readonly part: Part
  readonly more: ReadonlyArray<string>
  readonly select: string
  readonly tail: string
}

/** The first rows of one task, or of each task and of those without a name, in the order of the index. */
const branches = (task: string | null | undefined, params: Params, { more, part, select, tail }: Reading) => {
  const from = (condition: string, end = tail) =>
    `select ${select} from pg_task t ${whereClause([condition, part.part, ...more])} ${end}`
  const unnamed = `(${from("t.task is null", orderOfUnnamed(tail))})`
  if (task === null) return [unnamed]
  if (task !== undefined) return [`(${from(`t.task = ${params.add(task)}`)})`]
  return [
    `(select r.* from ${part.name} n cross join lateral (${from("t.task = n.task")}) r where n.task is not null)`,
    unnamed
  ]
}

/** What the planner may not do, for it doesn't know how soon these statements stop, nor how many rows a part has. */
const plannerSettings = [
  // It would compile them first, which takes far longer than running them.
  "jit",
  // It would read the whole part and sort it. Without this, it follows the index, and sorts only what is due at once.
  "enable_sort",
  "enable_bitmapscan"
]

const setText = `select ${plannerSettings.map((name, n) => `set_config('${name}', $${n + 1}, true)`).join(", ")}`
const readText = `select ${plannerSettings.map((name) => `current_setting('${name}') as ${name}`).join(", ")}`

const set = (sql: SqlClient, values: ReadonlyArray<string>) => query(sql, setText, values)

/** Turns the settings off for some statements. A transaction of the caller goes on with those that it had. */
export const planned = <A>(sql: SqlClient, rows: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> => {
  const alone = Effect.andThen(set(sql, plannerSettings.map(() => "off")), rows)
  const nested = Effect.flatMap(
    query<Readonly<Record<string, string>>>(sql, readText, []),
    ([before]) => Effect.tap(alone, () => set(sql, plannerSettings.map((name) => before![name]!)))
  )
  return Effect.flatMap(isInTransaction(sql), (isNested) => transact(sql, isNested ? nested : alone))
}

const withNames = (parts: ReadonlyArray<Part>) => `with recursive ${parts.map(namesIn).join(", ")}`

// ---------------------------------------------------------------------------------------------------------------
// A page
// ---------------------------------------------------------------------------------------------------------------

export interface BoundedPageOptions extends PageOptions {
  /** How many rows of each task to look at, at most. */
  readonly lookAt: number
}

export interface BoundedPage {
  readonly rows: ReadonlyArray<AdminRow>
  /** The last row that was looked at, if more may follow it. */
  readonly stopped: { readonly position: string; readonly id: string } | undefined
}

/** The time range of the rows of one status, where the index can leave out the others. */
const rangeOf = (statuses: ReadonlyArray<Status> | undefined): ReadonlyArray<string> => {
  if (statuses?.length !== 1) return []
  const [only] = statuses
  if (only === "ready") return ["t.wakeup_at <= now()"]
  return only === "scheduled" || only === "waiting" ? ["t.wakeup_at > now()"] : []
}

/** Whether each row of a part is one of the page: then a page looks at no more rows than it shows. */
const takesAll = (
  { after: _, limit: __, lookAt: ___, maxText: ____, newestFirst: _____, status, task: ______, ...rest }:
    BoundedPageOptions
): boolean =>
  Object.values(rest).every((criterion) => criterion === undefined)
  && (status === undefined || (status.length === 1 && ["parked", "ended"].includes(status[0]!)))

const seenIn = (parts: ReadonlyArray<Part>, options: BoundedPageOptions, params: Params, keyset: Keyset) => {
  const matches = conditions({ ...options, task: undefined }, params).map((one) => `(${one})`).join(" and ") || "true"
  const lookAt = `limit ${params.add(options.lookAt)}::int`
  const all = parts.flatMap((part) =>
    branches(options.task, params, {
      part,
      more: [...rangeOf(options.status), ...keyset.past],
      select: `t.id, t.wakeup_at, ${matches} as matches`,
      tail: `${keyset.order("t")} ${lookAt}`
    })
  )
  return `seen as materialized (
  select * from (${all.join("\n  union all ")}) f ${keyset.order("f")} ${lookAt}
)`
}

/** As `page`, but it looks at a bounded number of rows, and says where it stopped. */
export const boundedPage = Effect.fnUntraced(function*(
  sql: SqlClient,
  options: BoundedPageOptions
): Effect.fn.Return<BoundedPage, SqlError> {
  const lookAt = takesAll(options) ? Math.min(options.limit, options.lookAt) : options.lookAt
  const parts = allParts.filter((part) => part.statuses.some((one) => options.status?.includes(one) ?? true))
  if (parts.length === 0) return { rows: [], stopped: undefined }
  const params = new Params()
  const keyset = keysetOf(options, params)
  const seen = seenIn(parts, { ...options, lookAt }, params, keyset)
  const backwards = options.newestFirst ? "asc" : "desc"
  const found = query<AdminRow & { readonly seen: number; readonly lastKey: string; readonly lastId: string }>(
    sql,
    `${withNames(parts)}, ${seen}
select s.seen, l."lastKey", l."lastId", r.* from (select count(*)::float8 as seen from seen) s
left join lateral (
  select to_json(wakeup_at) #>> '{}' as "lastKey", id as "lastId" from seen
  order by wakeup_at ${backwards}, id ${backwards} limit 1
) l on true
left join lateral (
  select ${columnsFor(options, params)} from (select * from seen p where p.matches ${
      keyset.order("p")
    } ${keyset.limit}) p
  join pg_task t on t.id = p.id ${keyset.order("p")}
) r on true`,
    params.values
  )
  const rows = yield* planned(sql, found)
  const [first] = rows
  const mayFollow = first !== undefined && first.seen >= lookAt
  return {
    rows: rows.filter(({ id }) => id !== null),
    stopped: mayFollow ? { position: first.lastKey, id: first.lastId } : undefined
  }
})

// ---------------------------------------------------------------------------------------------------------------
// Counts
// ---------------------------------------------------------------------------------------------------------------

export interface BoundedCount extends AdminCount {
  /** There may be more of them. */
  readonly atLeast: boolean
}

/** What is due and what is not are counted apart: neither keeps the other from being seen. */
const countedRanges = (part: Part): ReadonlyArray<ReadonlyArray<string>> =>
  part.name === "unparked" ? [["t.wakeup_at <= now()"], ["t.wakeup_at > now()"]] : [[]]

/** Counts by task, state and status, up to `limit` rows for each task in each part of the table. */
export const boundedCounts = (sql: SqlClient, limit: number): Rows<BoundedCount> => {
  const params = new Params()
  const tail = `order by t.wakeup_at limit ${params.add(limit)}::int`
  const all = allParts.flatMap((part) =>
    countedRanges(part).flatMap((more, index) =>
      branches(undefined, params, {
        part,
        more: [present, ...more],
        select: `t.task, t.state, '${part.name}${index}' as part, ${status} as status, ${since} as since, t.tried`,
        tail
      })
    )
  )
  const counted = query<BoundedCount>(
    sql,
    `${withNames(allParts)}
select c.task, c.state as step, c.status, c.count, c.retrying, ${age("c.since")} as oldest,
  sum(c.count) over (partition by c.task, c.part) >= $1::int as "atLeast"
from (
  select task, state, part, status, count(*)::float8 as count, min(since) as since,
    (count(*) filter (where tried > 0))::float8 as retrying
  from (${all.join("\n  union all ")}) t group by 1, 2, 3, 4
) c order by c.task nulls last, c.state nulls last, c.status`,
    params.values
  )
  return planned(sql, counted)
}

/** How many rows a filter selects, among the first `lookAt` rows of each task in each part of the table. */
export const boundedCount = (
  sql: SqlClient,
  { task, ...where }: Where,
  lookAt: number
): Effect.Effect<{ readonly count: number; readonly atLeast: boolean }, SqlError> => {
  const params = new Params()
  const parts = allParts.filter((part) => part.statuses.some((one) => where.status?.includes(one) ?? true))
  if (parts.length === 0) return Effect.succeed({ count: 0, atLeast: false })
  const matches = conditions(where, params).map((one) => `(${one})`).join(" and ")
  const limit = `${params.add(lookAt)}::int`
  const all = parts.flatMap((part) =>
    branches(task, params, {
      part,
      more: rangeOf(where.status),
      select: `t.task, '${part.name}' as part, ${matches} as matches`,
      tail: `order by t.wakeup_at limit ${limit}`
    })
  )
  const counted = query<{ readonly count: number; readonly atLeast: boolean }>(
    sql,
    `${withNames(parts)}
select coalesce(sum(c.matching), 0)::float8 as count, coalesce(bool_or(c.seen >= ${limit}), false) as "atLeast" from (
  select count(*) filter (where matches) as matching, count(*) as seen
  from (${all.join("\n  union all ")}) t group by task, part
) c`,
    params.values
  )
  return Effect.map(planned(sql, counted), (rows) => rows[0]!)
}

/** Counts errors by their first line, among the first `lookAt` parked rows of each task. */
export const boundedErrors = (
  sql: SqlClient,
  { task, ...where }: Where,
  { limit, lookAt }: { readonly limit: number; readonly lookAt: number }
): Rows<AdminErrorCount> => {
  const params = new Params()
  const parked = allParts.filter(({ name }) => name === "parked")
  const all = parked.flatMap((part) =>
    branches(task, params, {
      part,
      more: [],
      select: "t.*",
      tail: `order by t.wakeup_at desc limit ${params.add(lookAt)}::int`
    })
  )
  const counted = query<AdminErrorCount>(
    sql,
    `${withNames(parked)}
select t.task, t.state as step, ${errorLineOf} as error, count(*)::float8 as count,
  ${age("min(t.updated_at)")} as oldest, ${age("max(t.updated_at)")} as newest
from (${all.join("\n  union all ")}) t ${whereClause(conditions(where, params))}
group by 1, 2, 3 order by count(*) desc, 3, 1 nulls last, 2 nulls last limit ${params.add(limit)}::float8::bigint`,
    params.values
  )
  return planned(sql, counted)
}

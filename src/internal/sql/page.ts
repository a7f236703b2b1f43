/** One page of a list, in the order of `wakeup_at`. */
import type { SqlClient } from "effect/sql/SqlClient"
import { type AdminRow, columnsOf, conditions, Params, type Status, type Where, whereClause } from "./row.ts"
import { query, type Rows } from "./query.ts"
import { unparked } from "./due.ts"
import { isAtDoor } from "./limitSchema.ts"

export interface PageOptions extends Omit<Where, "ids"> {
  readonly limit: number
  readonly newestFirst: boolean
  /** In characters: how much of a row's long texts is read. Undefined: all of them. */
  readonly maxText?: number | undefined
  /** The last row of the page before. */
  readonly after: { readonly position: string; readonly id: string } | undefined
}

/** The parts of the table that have an index on the task's name and `wakeup_at`. */
export const parts = [
  { name: "unparked", part: unparked, statuses: ["ready", "scheduled", "waiting", "running"] },
  { name: "limited", part: isAtDoor, statuses: ["limited"] },
  { name: "parked", part: "error is not null", statuses: ["parked"] },
  { name: "ended", part: "ended_at is not null and error is null", statuses: ["ended"] }
] as const

export type Part = typeof parts[number]

export const columnsFor = ({ maxText }: PageOptions, params: Params): string =>
  columnsOf(maxText === undefined ? undefined : `${params.add(maxText)}::int`)

/**
 * The order of rows without a task's name. Postgres doesn't know that their index has them in the order of `wakeup_at`:
 * it would read another index, and all of it, where it believes that few rows are in both.
 */
export const orderOfUnnamed = (order: string): string =>
  order.replace("order by ", `order by t.task${order.includes(" desc") ? " desc" : ""}, `)

/** The order of a page, and where it begins. */
export interface Keyset {
  readonly past: ReadonlyArray<string>
  readonly order: (table: string) => string
  readonly limit: string
}

export const keysetOf = ({ after, limit, newestFirst }: PageOptions, params: Params): Keyset => {
  const [direction, beyond] = newestFirst ? ["desc", "<"] : ["asc", ">"]
  const past: Array<string> = []
  if (after !== undefined) {
    const [position, id] = [`${params.add(after.position)}::timestamptz`, `${params.add(after.id)}::uuid`]
    past.push(`t.wakeup_at ${beyond}= ${position} and (t.wakeup_at ${beyond} ${position} or t.id ${beyond} ${id})`)
  }
  return {
    past,
    order: (table) => `order by ${table}.wakeup_at ${direction}, ${table}.id ${direction}`,
    limit: `limit ${params.add(limit)}::int`
  }
}

/** Whether most rows in the indexes match. Then a page reads few rows more than it returns. */
const followsIndexes = (
  { error, errorLine, key, newerThan, olderThan, parents, status, step, task, text, waitsFor }: PageOptions
): boolean =>
  [error, errorLine, key, newerThan, olderThan, parents, step, task, text, waitsFor].every((criterion) =>
    criterion === undefined
  )
  && !(status?.includes("running") && !status.includes("ready") && !status.includes("scheduled"))

/**
 * The names of all tasks in one part, each found by one index lookup (a loose index scan). With `min`, Postgres reads the
 * whole part where it believes that few rows are in it.
 */
export const namesIn = ({ name, part }: Part) => {
  const first = (after: string) =>
    `(select task from pg_task where ${part} and task is not null${after} order by task limit 1)`
  return `${name} as (
  select ${first("")} as task
  union all
  select ${first(" and task > n.task")} from ${name} n where n.task is not null
)`
}

/** The first rows of each task in one part, in the order of its index, and of those without a name. */
const branchesOf = (part: Part, status: ReadonlyArray<Status> | undefined, { limit, order, past }: Keyset) => {
  const wanted = part.statuses.filter((one) => status?.includes(one) ?? true)
  if (wanted.length === 0) return []
  const narrowed = wanted.length === part.statuses.length ? {} : { status: wanted }
  const rest = [part.part, ...conditions(narrowed, new Params()), ...past]
  const select = (condition: string, ordered: string) =>
    `select t.id, t.wakeup_at from pg_task t ${whereClause([condition, ...rest])} ${ordered} ${limit}`
  const named = select("t.task = n.task", order("t"))
  return [
    `(select r.* from ${part.name} n cross join lateral (${named}) r where n.task is not null)`,
    `(${select("t.task is null", orderOfUnnamed(order("t")))})`
  ]
}

const merged = (options: PageOptions, keyset: Keyset, params: Params): string => {
  const branches = parts.flatMap((part) => branchesOf(part, options.status, keyset))
  return `with recursive ${parts.map(namesIn).join(", ")}
select ${columnsFor(options, params)} from (
  select * from (${branches.join("\n  union all ")}) f ${keyset.order("f")} ${keyset.limit}
) p join pg_task t on t.id = p.id ${keyset.order("p")}`
}

const sorted = (options: PageOptions, keyset: Keyset, params: Params) =>
  `select ${columnsFor(options, params)} from pg_task t ${whereClause([...conditions(options, params), ...keyset.past])}
${keyset.order("t")} ${keyset.limit}`

export const page = (sql: SqlClient, options: PageOptions): Rows<AdminRow> => {
  const params = new Params()
  const keyset = keysetOf(options, params)
  const text = followsIndexes(options) && options.status?.length !== 0
    ? merged(options, keyset, params)
    : sorted(options, keyset, params)
  return query(sql, text, params.values)
}

/** Deleting tasks, with their children. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { wakeParents } from "./children.ts"
import { channel } from "./notify.ts"
import { query } from "./query.ts"
import { endedChannel } from "./results.ts"
import { conditions, Params, type Where, whereClause } from "./row.ts"

interface Gone {
  readonly count: number
  /** Parents of the deleted rows that are still there. */
  readonly parents: ReadonlyArray<string> | null
  /** Deleted rows that may have got children which this statement did not see. */
  readonly spawning: ReadonlyArray<string> | null
}

/** The rows, and, with `children`, all below them. Children of a task that has ended are not below it. */
const treeOf = (where: string, children: boolean): string =>
  `with recursive tree as (
  select t.id, 0 as depth, t.ended_at is not null as ended from pg_task t ${where}${
    children
      ? "\n  union select c.id, 1, c.ended_at is not null from pg_task c join tree on c.parent = tree.id and not tree.ended"
      : ""
  }
)`

/**
 * Deletes rows, and notifies the workers that hold them, and those who wait for their end. A row that another session
 * has changed meanwhile must still be selected.
 */
const deleteRows = (sql: SqlClient, where: Where, children: boolean): Effect.Effect<Gone, SqlError> => {
  const params = new Params()
  const all = conditions(where, params)
  return Effect.map(
    query<Gone>(
      sql,
      `${treeOf(whereClause(all), children)}, gone as (
  delete from pg_task t using tree where t.id = tree.id and (tree.depth > 0 or (${all.join(" and ")}))
  returning t.id, t.parent, t.is_running, t.watched, t.waits_for
), told as (
  select pg_notify('${channel}', 'cancel ' || id) from gone where is_running
  union all select pg_notify('${endedChannel}', id::text) from gone where watched
)
select ((select count(distinct id) from gone) + 0 * (select count(*) from told))::float8 as count,
  (select array_agg(distinct parent::text) from gone
    where parent is not null and parent not in (select id from tree)) as parents,
  (select array_agg(id::text) from gone where is_running or waits_for is not null) as spawning`,
      params.values
    ),
    (rows) => rows[0]!
  )
}

const anyHasParent = (sql: SqlClient): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    query<{ found: boolean }>(sql, "select exists (select from pg_task where parent is not null) as found", []),
    (rows) => rows[0]!.found
  )

/**
 * Deletes rows, and, with `children`, all below them. A step that spawned children while this waited for its row has
 * stored them before: they are deleted by a further statement. A parent of a deleted row learns of it.
 */
export const cancel = (children: boolean) => (sql: SqlClient, where: Where): Effect.Effect<number, SqlError> =>
  Effect.gen(function*() {
    const isTree = children && (yield* anyHasParent(sql))
    const gone = yield* deleteRows(sql, where, isTree)
    let { count } = gone
    let spawning = children ? gone.spawning ?? [] : []
    while (spawning.length > 0) {
      const more = yield* deleteRows(sql, { parents: spawning }, false)
      count += more.count
      spawning = more.spawning ?? []
    }
    if (gone.parents !== null) yield* wakeParents(sql, gone.parents)
    return count
  })

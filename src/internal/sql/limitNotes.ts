/**
 * The rows of `pg_task_limit`: how many slots a key has. Whoever asks for a slot notes it, so there is one for each key
 * that was ever used. Those of keys without tasks are deleted, because a key may be used only once.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { isAtDoor, knocks } from "./limitSchema.ts"
import { query } from "./query.ts"
import { transact } from "./transact.ts"

/** How many keys one look reads. More would hold more of their locks. */
const maxKeys = 1000

/** The first row of the key `l.key` in the index that has this condition and order. */
const first = (condition: string, order: string) =>
  `(select id from pg_task where limit_key = l.key and ${condition} order by ${order} limit (select 1))`

/** Whether no task of the key has a slot, or waits for one. */
const isUnused = `coalesce(${first(knocks, "wakeup_at")}, ${first(isAtDoor, "wakeup_at")}, ${
  first("slot > 0", "slot")
}) is null`

/** What later migrations have added must not be lost before its time. */
const isOver = (column: string) => `coalesce((to_jsonb(l) ->> '${column}')::timestamptz < now(), true)`

const mayGo = `${isUnused} and noted_at < now() - interval '1 hour' and ${isOver("next_at")} and ${
  isOver("held_until")
} and to_jsonb(l) ->> 'set_slots' is null`

/** Keys in their order. Those that are unused are locked, so that nobody notes them meanwhile. */
const lookText = `select l.key, case when ${mayGo} then
    pg_try_advisory_xact_lock(hashtextextended(l.key, 'pg_task'::regclass::oid::int8)) end is true as unused
from (select * from pg_task_limit where key > $1 order by key limit ${maxKeys}) l order by 1`

const may = (right: string) => `has_table_privilege(to_regclass('pg_task_limit'), '${right}')`

/** Whether the table is there, and this role may do so. To try it would write an error into the server's log. */
const mayDelete = (sql: SqlClient): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    query<{ may: boolean }>(sql, `select coalesce(${may("select")} and ${may("delete")}, false) as may`, []),
    ([found]) => found!.may
  )

const deleteAfter = (sql: SqlClient, after: string): Effect.Effect<string, SqlError> =>
  Effect.gen(function*() {
    const found = yield* query<{ key: string; unused: boolean }>(sql, lookText, [after])
    const unused = found.filter((row) => row.unused).map(({ key }) => key)
    // A statement of its own sees what was committed before the locks were got.
    if (unused.length > 0) {
      yield* query(sql, `delete from pg_task_limit l where l.key = any($1::text[]) and ${mayGo}`, [unused])
    }
    return found.length < maxKeys ? "" : found.at(-1)!.key
  })

/** Deletes what is unused of the keys behind this one. Returns where to go on: behind the empty key all begin anew. */
export const deleteUnusedKeys = (sql: SqlClient, after: string): Effect.Effect<string, SqlError> =>
  Effect.flatMap(mayDelete(sql), (may) => may ? transact(sql, deleteAfter(sql, after)) : Effect.succeed(""))

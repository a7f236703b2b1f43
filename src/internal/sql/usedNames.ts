/** Whether a name that people type is that of a task or a limit: each look follows an index, and reads few rows. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { planned } from "./bounded.ts"
import { isAtDoor, knocks } from "./limitSchema.ts"
import { parts } from "./page.ts"
import { query } from "./query.ts"

/** More keys of other limits in one look would take too long. Those of a limit are not side by side in all collations. */
const maxKeys = 10_000

const isTrue = (sql: SqlClient, text: string, params: ReadonlyArray<unknown>): Effect.Effect<boolean, SqlError> =>
  Effect.map(planned(sql, query<{ readonly used: boolean }>(sql, text, params)), ([found]) => found!.used)

const inPart = (part: string) =>
  `(select task from pg_task where ${part} and task = $1 order by wakeup_at limit (select 1))`

/** Whether a row has this task. */
export const isTaskUsed = (sql: SqlClient, task: string): Effect.Effect<boolean, SqlError> =>
  isTrue(sql, `select coalesce(${parts.map(({ part }) => inPart(part)).join(", ")}) is not null as used`, [task])

/** Each index of keys: its condition, and what it is ordered by for one key. */
const keyIndexes = [[isAtDoor, "wakeup_at"], [knocks, "wakeup_at"], ["slot > 0", "slot"]] as const

/** The first key for which `is` holds, in each index that has keys. Without all of its order, Postgres may not use one. */
const firstKeys = (is: (key: string) => string): ReadonlyArray<string> => [
  ...keyIndexes.map(([condition, order]) =>
    `(select limit_key from pg_task where ${condition} and ${is("limit_key")}
      order by limit_key, ${order} limit (select 1))`
  ),
  `(select key from pg_task_limit where ${is("key")} order by key limit (select 1))`
]

/** Whether a row has this key of a limit, or a worker has asked for a slot of it: within an hour or so. */
export const isKeyUsed = (sql: SqlClient, key: string): Effect.Effect<boolean, SqlError> =>
  isTrue(sql, `select coalesce(${firstKeys((name) => `${name} = $1`).join(", ")}) is not null as used`, [key])

const keysBehind = (key: string) => [
  ...firstKeys((name) => `${name} > ${key}`),
  `(select name from pg_task_paused where kind = 'limit' and name > ${key} order by name limit (select 1))`
]

/** The same for any key of a limit; one that is paused counts, too. If there are too many keys to tell: true. */
export const hasUsedKey = (sql: SqlClient, limit: string): Effect.Effect<boolean, SqlError> =>
  isTrue(
    sql,
    `with recursive k as (
  select $1 || ':' as key, 0 as looked, false as found
  union all
  select n.key, k.looked + 1, split_part(n.key, ':', 1) = $1
  from k cross join lateral (select least(${keysBehind("k.key").join(", ")}) as key) n
  where n.key is not null and not k.found and k.looked < ${maxKeys}
) select bool_or(found or looked = ${maxKeys}) as used from k`,
    [limit]
  )

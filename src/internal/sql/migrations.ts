/**
 * What the migrations run, in order. A released migration is never edited, because tables that have it never get it
 * again: a change is a further migration.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { isLocked } from "./errors.ts"
import { createFoundation, replacedIndexes } from "./foundation.ts"
import { createEndedIndex } from "./results.ts"
import { lockTimeout, setLockTimeout } from "./lockTimeout.ts"
import { createHistory } from "./historySchema.ts"
import { createJoinIndex, createOpenChildIndex } from "./children.ts"
import { createLimits } from "./limitTables.ts"
import { createRates } from "./rateSchema.ts"
import { createRoom } from "./room.ts"
import { callPendingTriggers, createNotifyTriggers } from "./notifyTriggers.ts"
import { createTable, createTriggers } from "./schema.ts"
import { createNames } from "./names.ts"
import { createPending, createPendingFunction } from "./pending.ts"
import { query, type Rows } from "./query.ts"
import { createSignals, createTouchFunction } from "./signals.ts"

interface Migration {
  readonly statements: ReadonlyArray<string>
  /** A column that a later migration makes. If the table has it, this migration would undo the later one. */
  readonly followedBy?: string
}

const all: ReadonlyArray<Migration> = [
  { statements: createTable, followedBy: "crashes" },
  { statements: createTriggers, followedBy: "crashes" },
  { statements: createFoundation },
  { statements: createEndedIndex },
  { statements: createSignals },
  { statements: createHistory },
  { statements: createNotifyTriggers },
  { statements: createPending },
  { statements: createJoinIndex },
  { statements: createNames },
  { statements: [createPendingFunction, createTouchFunction, createOpenChildIndex] },
  { statements: createLimits },
  { statements: [createTouchFunction] },
  { statements: createRates },
  { statements: createRoom }
]

/** Two processes that both find no table must not both make it. */
const oneAtATime = "pg_advisory_xact_lock(7160925713)"

/** Where `create table` puts the table, and finds it. A name alone is looked up along the whole `search_path`. */
const ours = "pg_class c where c.relname = 'pg_task' and c.relkind in ('r', 'p')\n"
  + "    and c.relnamespace = (select oid from pg_namespace where nspname = current_schema())"

const hasColumn = (name: string) =>
  `exists (
  select from pg_attribute where attname = '${name}' and not attisdropped and attrelid = (select c.oid from ${ours})
)`

// ---------------------------------------------------------------------------------------------------------------
// The lock on the table
// ---------------------------------------------------------------------------------------------------------------

/** Statements of others queue behind a session that waits for a lock: so no try waits for longer than this. */
const longestWait = "2s"

/** Only the owner locks the table: no other role can change it. */
const isToBeLocked = `exists (select from ${ours} and pg_has_role(c.relowner, 'usage'))`

const lockTable = "lock table pg_task in access exclusive mode"

/** Lets the statements that waited behind our lock run. */
const pause = Schedule.min([Schedule.exponential("500 millis", 2), Schedule.spaced("10 seconds")]).pipe(
  Schedule.jittered
)

/**
 * Who holds locks on the table, the oldest transactions first. Postgres shows queries of other roles only to privileged
 * ones.
 */
const holders =
  `select concat_ws(', ', 'process ' || a.pid, 'role ' || a.usename, 'application ' || nullif(application_name, ''),
  a.state || ' for ' || round(extract(epoch from clock_timestamp() - a.state_change)) || ' s', left(a.query, 200)) as text
from pg_stat_activity a where a.pid <> pg_backend_pid() and a.pid in (
  select l.pid from pg_locks l where l.relation = 'pg_task'::regclass and l.granted
    and l.database = (select oid from pg_database where datname = current_database())
) order by a.xact_start limit 3`

const warnOfHolders = (sql: SqlClient.SqlClient): Effect.Effect<void, SqlError> =>
  Effect.flatMap(query<{ text: string }>(sql, holders, []), (found) =>
    Effect.logWarning(
      `The migrations of pg_task wait for a lock on the table, and try again until they get it. Others hold locks: ${
        found.map(({ text }) => `(${text})`).join(", ") || "none any more"
      }`
    ))

/** Runs in a transaction. Each try has a savepoint: if it fails, it leaves no lock that others could wait for. */
const acquireTable = (sql: SqlClient.SqlClient): Effect.Effect<void, SqlError> =>
  Effect.suspend(() => {
    let warned = false
    const attempt = sql.withTransaction(
      Effect.flatMap(lockTimeout(sql), (before) =>
        Effect.andThen(setLockTimeout(sql, longestWait), query(sql, lockTable, [])).pipe(
          Effect.andThen(setLockTimeout(sql, before))
        ))
    )
    const warn = Effect.suspend(() => {
      const warning = warned ? Effect.void : warnOfHolders(sql)
      warned = true
      return warning
    })
    return attempt.pipe(
      Effect.tapError((error) =>
        isLocked(error) ? warn : Effect.void
      ),
      Effect.retry({ schedule: pause, while: isLocked }),
      Effect.asVoid
    )
  })

// ---------------------------------------------------------------------------------------------------------------
// Ways to apply them
// ---------------------------------------------------------------------------------------------------------------

const isTrue = (sql: SqlClient.SqlClient, condition: string): Effect.Effect<boolean, SqlError> =>
  Effect.map(query<{ value: boolean }>(sql, `select ${condition} as value`, []), (rows) => rows[0]!.value)

/** Applies the migration of this number. It may have been applied before. */
export const applyMigration = (
  number: 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15
): Effect.Effect<void, SqlError, SqlClient.SqlClient> =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => {
    const { followedBy, statements } = all[number - 1]!
    const run: Rows<unknown> = Effect.forEach(statements, (statement) => sql.unsafe(statement))
    return Effect.asVoid(sql.withTransaction(Effect.gen(function*() {
      yield* query(sql, `select ${oneAtATime}`, [])
      if (followedBy !== undefined && (yield* isTrue(sql, hasColumn(followedBy)))) return
      yield* query(sql, callPendingTriggers, [])
      if (yield* isTrue(sql, isToBeLocked)) yield* acquireTable(sql)
      yield* run
    })))
  })

/** The same for a script: what Effect does above, in Postgres's language. */
const acquireInScript = `if ${isToBeLocked} then
  perform set_config('pg_task.lock_timeout', current_setting('lock_timeout'), true);
  perform set_config('lock_timeout', '${longestWait}', true);
  loop
    begin
      ${lockTable};
      exit;
    exception when lock_not_available then
      raise warning 'The migrations of pg_task wait for a lock on the table, and try again until they get it';
      perform pg_sleep(2);
    end;
  end loop;
  perform set_config('lock_timeout', current_setting('pg_task.lock_timeout'), true);
end if`

const inScript = ({ followedBy, statements }: Migration): ReadonlyArray<string> =>
  followedBy === undefined
    ? statements
    : [`if not ${hasColumn(followedBy)} then\n\n${statements.map((one) => `${one};\n\n`).join("")}end if`]

/** All of them as one statement. */
export const script: string = `do $pg_task$ begin

${
  [`perform ${oneAtATime}`, callPendingTriggers, acquireInScript, ...all.flatMap(inScript)].map((one) => `${one};\n\n`)
    .join("")
}end $pg_task$;
`

// ---------------------------------------------------------------------------------------------------------------
// What they make
// ---------------------------------------------------------------------------------------------------------------

/** Without what makes parts of the tables beside it. */
const everything = all.flatMap(({ statements }) => statements)
  .filter((one) => !/^(alter table|create (index|trigger) .* on) pg_task_(limit|paused)\b/s.test(one)).join("\n")

const named = (pattern: RegExp): ReadonlyArray<string> => [...everything.matchAll(pattern)].map((match) => match[1]!)

const without = (names: ReadonlyArray<string>, gone: ReadonlyArray<string>) =>
  [...new Set(names)].filter((name) => !gone.includes(name))

/** The names of the table's parts once all of them were applied. */
export const made = {
  columns: without(
    [...named(/add column if not exists (\w+)/g), ...named(/rename column \w+ to (\w+)/g)],
    named(/rename column (\w+) to/g)
  ),
  indexes: without(named(/create (?:unique )?index if not exists (\w+)/g), replacedIndexes),
  triggers: without(named(/create (?:constraint )?trigger (\w+)/g), [])
}

/** What steps write into a table of their own. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { run } from "./Table.ts"

export const note = (text: string): Effect.Effect<unknown, SqlError, SqlClient.SqlClient> =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`insert into note values (${text})`)

export const notes: Effect.Effect<ReadonlyArray<string>, SqlError, SqlClient.SqlClient> = Effect.map(
  run<{ text: string }>("select text from note order by text"),
  (found) => found.map(({ text }) => text)
)

/** Makes the table, or empties it. */
export const prepareNotes: Effect.Effect<unknown, SqlError, SqlClient.SqlClient> = Effect.andThen(
  run("create table if not exists note (text text)"),
  run("truncate note")
)

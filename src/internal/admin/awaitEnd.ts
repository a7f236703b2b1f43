/** Waiting for the end of a task whose definition is not at hand. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { type AwaitOptions, gone, isSettled, parked, refuseTransaction } from "../definition/results.ts"
import { waitersOf } from "../enqueue/waiters.ts"
import * as Statements from "../sql/admin.ts"
import { toTableError } from "../sql/errors.ts"
import { checkId } from "./target.ts"

export const awaitEnd = Effect.fn("Admin.awaitEnd")(function*(given: string, options: AwaitOptions = {}) {
  const sql = yield* SqlClient.SqlClient
  yield* refuseTransaction("Admin.awaitEnd", sql)
  const id = yield* checkId(given)
  const found = yield* waitersOf(sql).wait(id, isSettled(options))
  if (found === undefined) return yield* gone(id)
  if (!found.ended) return yield* parked(id, found)
  const [row] = yield* Statements.get(sql, id)
  return row ?? (yield* gone(id))
}, Effect.catchTag("SqlError", toTableError))

/**
 * Keeps the history small: makes partitions for the rows to come, drops those that are over, and deletes what can't be
 * dropped. Several workers may do so: an advisory lock lets one at a time. Nothing depends on it but disk space.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskDefinition } from "../definition/task.ts"
import { isMisconfiguration, messageOf } from "../sql/errors.ts"
import { deleteOver, dropPartition, makePartitions, probeHistory } from "../sql/history.ts"
import type { Database } from "./database.ts"

/** A partition holds a day, so it is in time to look once an hour. */
const every = Duration.hours(1)

export interface HistoryKeeperOptions {
  readonly sql: SqlClient
  readonly database: Database
  readonly tasks: ReadonlyMap<string, TaskDefinition>
}

/** How long these tasks keep their history, in milliseconds: those that keep one, and not for ever. */
const keepsOf = (tasks: HistoryKeeperOptions["tasks"]): ReadonlyArray<number> => [
  ...new Set([...tasks.values()].flatMap(({ history }) => history === undefined || history === Infinity ? [] : history))
]

const whileTrue = (work: Effect.Effect<boolean, SqlError>): Effect.Effect<void, SqlError> =>
  Effect.flatMap(work, (more) => more ? whileTrue(work) : Effect.void)

const warn = (error: SqlError): Effect.Effect<void> =>
  Effect.logWarning(
    isMisconfiguration(error)
      ? `The history can't be written: ${messageOf(error)}. Run the migrations, and grant select, insert, delete on `
        + "pg_task_history to this role"
      : `The history could not be kept small, and will be tried again: ${messageOf(error)}`
  )

/** Works until its fiber is interrupted. */
export const keepHistory = ({ database, sql, tasks }: HistoryKeeperOptions): Effect.Effect<never> => {
  if (![...tasks.values()].some(({ history }) => history !== undefined)) return Effect.never
  const { withTimeout } = database
  const keeps = keepsOf(tasks)
  const once = Effect.gen(function*() {
    yield* withTimeout(probeHistory(sql))
    yield* withTimeout(makePartitions(sql, keeps))
    yield* whileTrue(withTimeout(dropPartition(sql)))
    yield* whileTrue(withTimeout(deleteOver(sql)))
  })
  return once.pipe(
    Effect.catch(warn),
    Effect.andThen(Effect.sleep(every)),
    Effect.forever
  )
}

/** Reads the history of a task's attempts. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { TaskIdError } from "../../TaskError.ts"
import { TaskId } from "../../TaskId.ts"
import { toTableError } from "../sql/errors.ts"
import { type HistoryRow, readHistory } from "../sql/history.ts"
import { idRange } from "./target.ts"

/** The words of the history, and of the metric of attempts. */
const Outcome = Schema.Literals([
  "finished",
  "continued",
  "rescheduled",
  "waiting",
  "retried",
  "parked",
  "rejected",
  "released",
  "lost"
])

/** An attempt that has ended. Documented where it is exported. */
export class HistoryEntry extends Schema.Class<HistoryEntry>("effect-pg-task/Admin/HistoryEntry")({
  id: TaskId,
  task: Schema.String,
  /** The `_tag` of the state whose step ran. Null if the row could not be read. */
  state: Schema.NullOr(Schema.String),
  /** How many steps the task had taken before. */
  transition: Schema.Number,
  /** 1 for the first try of the step. */
  attempt: Schema.Number,
  outcome: Outcome,
  /** The `_tag` of the signal that it took, or `$timeout`. Null if its state does not wait. */
  signal: Schema.NullOr(Schema.String),
  /** Why it was retried, parked or rejected: the first 2000 characters. */
  error: Schema.NullOr(Schema.String),
  /** How long it ran. Null if its worker crashed. In milliseconds where it is encoded. */
  duration: Schema.NullOr(Schema.DurationFromMillis),
  /** The id of its worker. Null if its worker crashed. */
  worker: Schema.NullOr(Schema.String),
  endedAt: Schema.DateTimeUtcFromString
}) {}

const toEntry = ({ duration, endedAt, id, ...row }: HistoryRow): HistoryEntry =>
  new HistoryEntry({
    ...row,
    id: TaskId.make(id),
    outcome: row.outcome as HistoryEntry["outcome"],
    duration: duration === null ? null : Duration.millis(duration),
    endedAt: DateTime.makeUnsafe(endedAt)
  })

/** Only one task may have an id that begins like this. */
const ofOne = (beginning: string, rows: ReadonlyArray<HistoryRow>): Effect.Effect<void, TaskIdError> =>
  rows.every(({ id }) => id === rows[0]!.id) ? Effect.void : new TaskIdError({
    id: beginning,
    message: `More than one task has an id that begins with "${beginning}": give more of it`
  })

export const history = Effect.fnUntraced(function*(beginning: string, limit: number) {
  const range = yield* idRange(beginning)
  const rows = yield* readHistory(yield* SqlClient.SqlClient, { ...range, limit })
  yield* ofOne(beginning, rows)
  return rows.map(toEntry)
}, Effect.catchTag("SqlError", toTableError))

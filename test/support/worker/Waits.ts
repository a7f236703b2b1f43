/** Looks at rows that wait, as a person would. */
import { Effect } from "effect"
import { run } from "./Table.ts"
import { eventually } from "./Wait.ts"

/** How a row waits. */
interface WaitRow {
  readonly id: string
  readonly state: string
  readonly step: string
  readonly status: string
  readonly waits_for: ReadonlyArray<string> | null
  readonly wait_until: Date | null
  /** Until the time of its wait is over, in milliseconds. */
  readonly waitIn: number | null
  /** Until it is due, in milliseconds. */
  readonly dueIn: number
  readonly inbox: {
    readonly signals: ReadonlyArray<{ readonly tag: string; readonly value: Readonly<Record<string, unknown>> }>
    readonly dedupe?: ReadonlyArray<string>
  } | null
  readonly wakes: number
  readonly tried: number
  readonly error: string | null
}

const millis = (time: string) =>
  `((extract(epoch from ${time}) - extract(epoch from clock_timestamp())) * 1000)::float8`

export const waitRow = (id: string) =>
  Effect.map(
    run<WaitRow>(
      `select t.id, t.state, t.step, s.status, t.waits_for, t.wait_until, ${millis("t.wait_until")} as "waitIn",
        ${millis("t.wakeup_at")} as "dueIn", t.inbox, t.wakes, t.tried, t.error
      from pg_task t join pg_task_status s using (id) where t.id = $1`,
      [id]
    ),
    (rows) => rows[0]
  )

/** Waits until a row looks as expected. */
export const waitRowWhere = (id: string, holds: (row: WaitRow) => boolean) =>
  Effect.map(eventually(waitRow(id), (found) => found !== undefined && holds(found)), (found) => found!)

/** Waits until the row waits. */
export const waiting = (id: string) => waitRowWhere(id, ({ status }) => status === "waiting")

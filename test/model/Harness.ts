/** The real table and the model of it, side by side. */
import { Data, Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { run } from "../support/worker/Table.ts"
import type { Changes, ClaimedTask } from "./WorkerStatements.ts"
import {
  type Belief,
  type Ending,
  type Moment,
  type Pending,
  replaced,
  type Row,
  type Rows,
  type Text
} from "./Model.ts"

/** The table, or what was answered, is not what the model says. */
export class Mismatch extends Data.TaggedError("Mismatch")<{ readonly message: string }> {}

export const expect = (holds: boolean, message: string): Effect.Effect<void, Mismatch> =>
  holds ? Effect.void : new Mismatch({ message })

/** An attempt, as its worker and the model know it. It stays here until it ends, also when its lease is lost. */
export interface Attempt {
  readonly worker: number
  readonly claimed: ClaimedTask
  belief: Belief
}

/** Outcomes that were sent together, and what they were to those who sent them. */
export interface Sent {
  readonly changes: Changes
  readonly outcomes: ReadonlyArray<{ readonly belief: Belief; readonly ending: Ending }>
}

export interface World {
  /** What the table held after the last command. */
  rows: Rows
  /** When that was, by Postgres's clock, in microseconds since 1970. */
  clock: number
  attempts: Array<Attempt>
  readonly sent: Array<Sent>
  /** How many notes the transactions of steps have left. */
  notes: number
}

// ---------------------------------------------------------------------------------------------------------------
// The table
// ---------------------------------------------------------------------------------------------------------------

/** A row as it is: every moment is known, and every text. */
interface ActualRow extends Row {
  readonly error: string | null
  readonly updated: number
}

interface Snapshot {
  readonly clock: number
  readonly notes: number
  readonly rows: ReadonlyArray<ActualRow> | null
}

const micros = (time: string) => `(extract(epoch from ${time}) * 1000000)::bigint`

const look = `select ${micros("now()")}::float8 as clock, (select count(*)::int from note) as notes, (
  select json_agg(json_build_object('id', id, 'step', step, 'task', task, 'wakeup', ${micros("wakeup_at")},
    'tried', tried, 'running', is_running, 'error', error, 'token', lease_token, 'leaseUntil', ${micros("lease_until")},
    'key', key, 'pending', case when pending is not null then json_build_object('step', pending ->> 'step',
      'at', ${micros("(pending ->> 'at')::timestamptz")}) end,
    'transitions', transitions, 'crashes', crashes, 'created', ${micros("created_at")}, 'updated', ${
  micros("updated_at")
}))
  from pg_task) as rows`

const snapshot = Effect.map(run<Snapshot>(look), ([found]) => found!)

/** An empty table, and an empty model. */
export const begin: Effect.Effect<World, SqlError, SqlClient.SqlClient> = Effect.gen(function*() {
  yield* run("truncate pg_task, note")
  const { clock } = yield* snapshot
  return { rows: new Map(), clock, attempts: [], sent: [], notes: 0 }
})

// ---------------------------------------------------------------------------------------------------------------
// The comparison
// ---------------------------------------------------------------------------------------------------------------

const isMoment = (expected: Moment, actual: unknown, row: ActualRow): boolean =>
  actual === (typeof expected === "number" ? expected : row.updated + expected.fromNow)

const isText = (expected: Text, actual: string | null): boolean =>
  expected === null || typeof expected === "string"
    ? actual === expected
    : actual !== null && actual.includes(expected.part)

const isPending = (expected: Pending | null, actual: Pending | null, row: ActualRow): boolean =>
  expected === null || actual === null
    ? expected === actual
    : expected.step === actual.step && isMoment(expected.at, actual.at, row)

const isSame = (key: keyof Row, expected: Row, actual: ActualRow): boolean => {
  switch (key) {
    case "created":
      // `now` means stored now. What has been stored before stays.
      return typeof expected.created === "number"
        ? expected.created === actual.created
        : typeof actual.created === "number" && actual.created >= actual.updated
    case "wakeup":
    case "updated":
      return isMoment(expected[key], actual[key], actual)
    case "leaseUntil":
      return expected.leaseUntil === null
        ? actual.leaseUntil === null
        : isMoment(expected.leaseUntil, actual[key], actual)
    case "error":
      return isText(expected.error, actual.error)
    case "pending":
      return isPending(expected.pending, actual.pending, actual)
    default:
      return expected[key] === actual[key]
  }
}

/** What is wrong with a row. */
const compare = (clock: number, expected: Row, actual: ActualRow): ReadonlyArray<string> => {
  const keys = Object.keys(expected) as Array<keyof Row>
  const wrong = keys.filter((key) => !isSame(key, expected, actual)).map((key) =>
    `${key} is ${JSON.stringify(actual[key])}, and should be ${JSON.stringify(expected[key])}`
  )
  // Written means written now: `updated_at` is the start of the transaction that wrote it.
  return typeof expected.updated !== "number" && actual.updated < clock ? [...wrong, "updated is too old"] : wrong
}

const differences = ({ clock }: World, expected: Rows, actual: ReadonlyArray<ActualRow>): ReadonlyArray<string> => {
  const found = new Map(actual.map((row) => [row.id, row]))
  const wrong = [...expected.values()].flatMap((row) => {
    const own = found.get(row.id)
    return (own === undefined ? ["is gone"] : compare(clock, row, own)).map((what) => `row ${row.id}: ${what}`)
  })
  return [...wrong, ...actual.filter(({ id }) => !expected.has(id)).map(({ id }) => `row ${id} should not be there`)]
}

/** Compares the table with what it should be, down to the last column, and goes on from what it is. */
export const check = (
  world: World,
  given: Rows,
  notes: number
): Effect.Effect<void, Mismatch | SqlError, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const found = yield* snapshot
    const expected = new Map([...given].map(([id, row]) => [id, replaced(row, world.rows.get(id))]))
    const actual = found.rows ?? []
    const wrong = [...differences(world, expected, actual)]
    if (found.notes !== notes) wrong.push(`there are ${found.notes} notes, and should be ${notes}`)
    if (wrong.length > 0) return yield* new Mismatch({ message: wrong.join("\n") })
    // In the order in which they came, so that a replay picks the same ones: ids are random.
    const byId = new Map(actual.map((row) => [row.id, row]))
    world.rows = new Map([...expected.keys()].map((id) => [id, byId.get(id)!]))
    world.clock = found.clock
    world.notes = found.notes
  })

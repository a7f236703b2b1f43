/**
 * A task for worker processes, and what they print and leave behind. Imports by path: see `Script.ts`.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as NextStep from "../../../src/NextStep.ts"
import * as Step from "../../../src/Step.ts"
import * as Task from "../../../src/Task.ts"

/** What a worker process does about a chore; a test's own worker may do otherwise. */
export const Kind = Schema.Literals([
  /** Does it, in as many steps as there are rounds. */
  "quick",
  /** Takes half a second. */
  "slow",
  /** Ends when its process is told to stop. */
  "until SIGTERM",
  /** Never ends by itself. */
  "endless",
  /** Ends in six seconds, and keeps its process from noticing that its lease is over. */
  "frozen",
  /** Kills its process, as soon as two others run beside it, or none come. */
  "poison"
])

export class Chore extends Schema.TaggedClass<Chore>()("Chore", {
  kind: Kind,
  name: Schema.String,
  round: Schema.Number
}) {}

export const chore = (kind: typeof Kind.Type, name: string, round = 1): Chore => new Chore({ kind, name, round })

/** A trace of an attempt. */
export interface Trace {
  readonly name: string
  readonly round: number
  readonly attempt: number
  readonly key: string
  readonly worker: string
  /** In milliseconds since 1970, by Postgres's clock. */
  readonly at: number
}

export const createTraces = `create table if not exists trace (
  name text, round int, attempt int, key text, worker text,
  at float8 default extract(epoch from clock_timestamp()) * 1000
)`

/** The task, with `perform` for its work. Each attempt leaves its trace before it begins. */
export const makeChores = <E, R>(
  worker: string,
  perform: (chore: Chore) => Effect.Effect<NextStep.NextStep<Chore>, E, R>
): Task.Task<"Chores", Step.Step<typeof Chore, typeof Chore, E | SqlError, R | SqlClient.SqlClient | Step.Context>> =>
  Task.make("Chores", [
    Step.make(Chore, {
      next: [Chore],
      handler: Effect.fnUntraced(function*(chore: Chore) {
        const sql = yield* SqlClient.SqlClient
        const { attempt, idempotencyKey } = yield* Step.Context
        yield* sql`insert into trace ${
          sql.insert({ name: chore.name, round: chore.round, attempt, key: idempotencyKey, worker })
        }`
        return yield* perform(chore)
      })
    })
  ])

/** The next round of a chore, or its end. */
export const nextRound = ({ kind, name, round }: Chore): NextStep.NextStep<Chore> =>
  round > 1 ? NextStep.now(chore(kind, name, round - 1)) : NextStep.none

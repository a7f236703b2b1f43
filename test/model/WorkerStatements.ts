/**
 * The library's statements and its runner, by which the test does what workers do, at the moments that it chooses. All
 * that the test knows of `src/internal` is here.
 */
import { Effect, Fiber } from "effect"
import { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { ClaimedTask, type Entry, makeAttempt } from "../../src/internal/attempt/claimedTask.ts"
import * as Claims from "../../src/internal/sql/claim.ts"
import * as Leases from "../../src/internal/sql/lease.ts"
import { lookForLeases } from "../../src/internal/sql/look.ts"
import { type Outcome, toChanges } from "../../src/internal/attempt/outcome.ts"
import { runAttempt, type Runner } from "../../src/internal/attempt/attempt.ts"
import { unlimited } from "../../src/internal/attempt/transaction.ts"
import * as Outcomes from "../../src/internal/sql/outcome.ts"
import { definitionOf, tagsIn, type TaskDefinition } from "../../src/internal/definition/task.ts"
import type { KnownTask } from "../../src/internal/sql/known.ts"
import type { Task } from "../../src/index.ts"
import { lease, maxCrashes } from "./Model.ts"
import { type Answer, Ears, Other, Script, type Told, Walk } from "./ModelTasks.ts"

export type { ClaimedTask, Entry, Outcome }
export type ClaimedRow = Claims.ClaimedRow

const workers: ReadonlyArray<ReadonlyArray<Task.Any>> = [[Walk], [Walk, Other]]

/** The tasks that a worker knows, with their states. */
const knownBy = (worker: number): ReadonlyArray<KnownTask> =>
  workers[worker]!.map((task) => ({ name: task.name, states: tagsIn(definitionOf(task)) }))

/** The names of the tasks that a worker knows. */
export const tasksOf = (worker: number): ReadonlyArray<string> => workers[worker]!.map(({ name }) => name)

const withSql = <A, E>(use: (sql: SqlClient.SqlClient) => Effect.Effect<A, E>) =>
  Effect.flatMap(SqlClient.SqlClient, use)

export interface ClaimOptions {
  readonly worker: number
  readonly token: string
  readonly limit: number
  /** In milliseconds since 1970. */
  readonly from: number | undefined
}

export const claim = ({ from, limit, token, worker }: ClaimOptions) =>
  withSql((sql) =>
    Effect.map(
      Claims.claim(sql, { tasks: knownBy(worker), limit, bytes: 1e9, token, lease }, { from, to: undefined }),
      ({ rows }) => rows
    )
  )

export const claimQuarantined = (worker: number, token: string, mostDeaths: number) =>
  withSql((sql) => Claims.claimQuarantined(sql, { tasks: knownBy(worker), token, lease, maxCrashes: mostDeaths }))

export const releaseClaim = (token: string) => withSql((sql) => Claims.releaseClaim(sql, token))

export const renew = (attempts: ReadonlyArray<ClaimedTask>) =>
  withSql((sql) => Leases.renewLeases(sql, attempts, lease))

/** Rescues what has expired, also what has only just expired. The server has always been up for long enough. */
export const sweep = (worker: number) =>
  withSql((sql) =>
    Effect.gen(function*() {
      const found = yield* lookForLeases(sql, { tasks: tasksOf(worker), limit: 1000, notification: undefined })
      const ripe = found.flatMap(({ id, since }) => id === null ? [] : [{ id, since, ripe: true }])
      return yield* Leases.judge(sql, ripe, { maxCrashes, lease: 0 })
    })
  )

export const toClaimed = (row: ClaimedRow, token: string): ClaimedTask => new ClaimedTask(row, token, 0)

const runnerOf = (sql: SqlClient.SqlClient, worker: number): Runner => ({
  sql,
  limitTransactions: unlimited,
  tasks: new Map(workers[worker]!.map((task) => [task.name, task as unknown as TaskDefinition])),
  lease,
  isCancelled: () => Effect.succeed(false),
  toHistory: undefined,
  traced: false,
  debug: false
})

export interface Run {
  readonly outcome: Outcome
  readonly told: Told | undefined
}

/** Runs an attempt, in a fiber of its own as a worker does. */
export const run = (
  worker: number,
  claimed: ClaimedTask,
  answer: Answer
): Effect.Effect<Run, never, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    let told: Told | undefined
    const attempt = makeAttempt(claimed, 0)
    const running = runAttempt(runnerOf(sql, worker), attempt).pipe(
      Effect.provideService(Script, answer),
      Effect.provideService(Ears, { hear: (what) => (told = what) })
    )
    yield* Fiber.await(yield* Effect.forkChild(running))
    return { outcome: attempt.outcome!, told }
  })

export type Changes = Outcomes.Changes

/** What a worker sends for these outcomes. */
export const changesOf = (entries: ReadonlyArray<Entry>): Changes => toChanges(entries)

/** Sends it. The ids of the rows that it has changed come back. */
export const store = (changes: Changes): Effect.Effect<ReadonlyArray<string>, SqlError, SqlClient.SqlClient> =>
  withSql((sql) =>
    Effect.map(Outcomes.storeOutcomes(sql, changes, { lease, isAsync: false }), (rows) => rows.map(({ id }) => id))
  )

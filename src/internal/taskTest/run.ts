/** Claims rows and runs them in the caller's fiber: one step, or all of them. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { ClaimedTask } from "../attempt/claimedTask.ts"
import { claim, everything, releaseClaim } from "../sql/claim.ts"
import { toTableError } from "../sql/errors.ts"
import { lanesOf } from "../worker/lanes.ts"
import { toSettings } from "../worker/settings.ts"
import { isTraced, type Runner } from "../attempt/attempt.ts"
import { makeToHistory } from "../attempt/history.ts"
import { unlimited } from "../attempt/transaction.ts"
import type { TaskDefinitionError, TaskInvalidStateError, TaskTableError } from "../../TaskError.ts"
import { isInTransaction } from "../sql/transact.ts"
import { attemptInTest } from "./attempt.ts"
import type { AnyResult } from "./result.ts"
import {
  type DelayPolicy,
  letAllIn,
  type NextWaiting,
  nextWaiting,
  skipToNext,
  sleep,
  type Waiting
} from "../sql/taskTest.ts"
import { TaskTestError } from "./TaskTestError.ts"

export interface Settings {
  readonly tasks: ReadonlyArray<unknown>
  readonly delays?: DelayPolicy | undefined
  readonly retries?: DelayPolicy | undefined
}

export type RunError = TaskDefinitionError | TaskTableError | TaskInvalidStateError | TaskTestError | SqlError

/** No step of a test takes longer. If the test's process is killed, other workers may run its tasks after this. */
const lease = 600_000

const makeRunner = Effect.fnUntraced(function*({ tasks }: Settings) {
  const settings = yield* toSettings({ tasks })
  const runner: Runner = {
    sql: yield* SqlClient.SqlClient,
    limitTransactions: unlimited,
    tasks: settings.tasks,
    lease,
    isCancelled: () => Effect.succeed(false),
    toHistory: makeToHistory(settings.tasks, () => performance.now()),
    traced: yield* isTraced,
    debug: false
  }
  return runner
})

/** Tasks of a higher priority come first. */
const claimDue = ({ lease, sql, tasks }: Runner): Effect.Effect<ClaimedTask | undefined, SqlError> =>
  Effect.gen(function*() {
    const token = crypto.randomUUID()
    const limited = [...tasks.values()].filter(({ limits }) => limits !== undefined).map(({ name }) => name)
    if (limited.length > 0) yield* letAllIn(sql, limited)
    for (const lane of lanesOf(tasks)) {
      const known = [...lane.keys()].map((name) => ({ name, states: undefined }))
      const { rows: [row] } = yield* claim(sql, { tasks: known, limit: 1, bytes: 0, token, lease }, everything)
      if (row !== undefined) return new ClaimedTask(row, token, 0)
    }
    return undefined
  })

/** Lets time pass until this task is due. */
const letTimePass = Effect.fnUntraced(function*(sql: SqlClient.SqlClient, waiting: Waiting, next: NextWaiting) {
  const isSkipped = (next.retrying ? waiting.retries : waiting.delays) === "skip"
  if (!isSkipped) yield* sleep(sql, next.wait)
  // Within a transaction `now()` stands still, in spite of the sleep.
  if (isSkipped || (yield* isInTransaction(sql))) yield* skipToNext(sql, waiting)
})

/** The next due task. If there is none, time passes until one is due, unless those that wait are to be left. */
const claimNext = Effect.fnUntraced(function*(runner: Runner, settings: Settings) {
  const due = yield* claimDue(runner)
  if (due !== undefined) return due
  const delays = settings.delays ?? "skip"
  const waiting = { tasks: [...runner.tasks.keys()], delays, retries: settings.retries ?? delays }
  const next = yield* nextWaiting(runner.sql, waiting)
  // A task may have become due between these two statements: it is not among those that wait.
  const late = yield* claimDue(runner)
  if (late !== undefined || next === undefined) return late
  yield* letTimePass(runner.sql, waiting, next)
  return yield* claimDue(runner)
})

/** Gives the row back when a test ends in the middle of a step. */
const release = (runner: Runner, { token }: ClaimedTask) => Effect.ignoreCause(releaseClaim(runner.sql, token))

export const runStep = (settings: Settings): Effect.Effect<AnyResult | undefined, RunError, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const runner = yield* makeRunner(settings)
    const claimed = yield* claimNext(runner, settings)
    if (claimed === undefined) return undefined
    const attempt = Effect.onError(attemptInTest(runner, claimed), () => release(runner, claimed))
    const { goesOn, result } = yield* attempt
    if (goesOn) yield* releaseClaim(runner.sql, claimed.token)
    return result
  }).pipe(Effect.catchTag("SqlError", toTableError))

const tooMany = (results: ReadonlyArray<AnyResult>, maxSteps: number) => {
  const last = results.slice(-3).map(({ step, task }) => `${task}.${step}`).join(", ")
  return new TaskTestError({
    reason: "TooManySteps",
    message: `The tasks did not end within ${maxSteps} steps (the last were ${last}). If they never end, use `
      + `\`delays: "leave"\` or TaskTest.runStep; else raise \`maxSteps\``
  })
}

/** Runs a task until its next step is due later, or there is none. */
const runChain = Effect.fnUntraced(function*(
  runner: Runner,
  claimed: ClaimedTask,
  results: Array<AnyResult>,
  maxSteps: number
) {
  for (let goesOn = true; goesOn;) {
    if (results.length >= maxSteps) return yield* tooMany(results, maxSteps)
    const attempted = yield* attemptInTest(runner, claimed)
    results.push(attempted.result)
    goesOn = attempted.goesOn
  }
}, (effect, runner, claimed) => Effect.onError(effect, () => release(runner, claimed)))

export const runAll = (
  settings: Settings,
  maxSteps: number
): Effect.Effect<ReadonlyArray<AnyResult>, RunError, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const runner = yield* makeRunner(settings)
    const results: Array<AnyResult> = []
    for (;;) {
      const claimed = yield* claimNext(runner, settings)
      if (claimed === undefined) return results
      yield* runChain(runner, claimed, results, maxSteps)
    }
  }).pipe(Effect.catchTag("SqlError", toTableError))

/**
 * A step's writes and its transition, committed together or not at all. If one of the library's own statements fails,
 * the step has not failed: its transaction is begun anew, until it can be committed.
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { SqlClient } from "effect/sql/SqlClient"
import { annotationsOf, type Attempt, type ClaimedTask } from "./claimedTask.ts"
import type { HistoryEntry } from "../sql/history.ts"
import type { ToHistory } from "./history.ts"
import {
  findInCause,
  isConnectionLost,
  isContention,
  isOwnContention,
  isReadOnly,
  mayPass,
  messageOf
} from "../sql/errors.ts"
import { type Outcome, type RowOutcome, toChanges, withStored } from "./outcome.ts"
import { reportStored } from "./log.ts"
import { safely } from "../sql/safely.ts"
import { storeInTransaction } from "../sql/outcome.ts"
import { lockAttempt, ping } from "../sql/attempt.ts"
import { isInTransaction } from "../sql/transact.ts"
import { nextTransition } from "../sql/transitions.ts"

/** The attempt is no longer the current one: everything it wrote is rolled back. */
class LeaseLost extends Data.TaggedError("LeaseLost")<{}> {}

export const isLeaseLost = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some((reason) => Cause.isFailReason(reason) && safely(() => reason.error instanceof LeaseLost, false))

/** Nothing remains of the transaction: it is to be begun anew. */
class Undone extends Data.TaggedError("Undone")<{}> {}

/** What a step returned: its outcome, and what is to be committed with it. */
interface Handled {
  readonly outcome: RowOutcome
  readonly commit: Effect.Effect<unknown, unknown> | undefined
  /** What the library itself must store together with it. */
  readonly children: Effect.Effect<unknown, unknown> | undefined
}

/** Runs a transaction of a step once there is a connection to spare for it. */
export type TransactionLimit = <A, E>(transaction: Effect.Effect<A, E>) => Effect.Effect<A, E>

export const unlimited: TransactionLimit = (transaction) => transaction

interface Options {
  readonly sql: SqlClient
  readonly limitTransactions: TransactionLimit
  /** In milliseconds. */
  readonly lease: number
  readonly toHistory: ToHistory | undefined
  /** Whether debug messages are logged at all. */
  readonly debug: boolean
}

type Stage =
  /** Before anything of the step runs: the connection, BEGIN, the lock on the row. */
  | "Begin"
  /** The step's own code, and its own statements. */
  | "Step"
  /** The library's statements that store children, and the outcome. */
  | "Store"
  | "Commit"

/** How far a transaction has come, and what has happened on the way. */
interface Progress {
  stage: Stage
  /** Whether it is part of another one, which is a test's. */
  readonly nested: boolean
  /** What is to be committed. */
  outcome: RowOutcome | undefined
  /** How often the connection was lost while the step ran. */
  losses: number
  /**
   * Whether the row is locked before the step runs. After a first run that couldn't be stored: so a step doesn't run
   * again and again while its outcome can't be stored anyway, and then nothing is in the way of its outcome.
   */
  locksFirst: boolean
  /** The log says only once that the outcome can't be stored yet. */
  told: boolean
}

/** Retries of a transaction in which a statement of the step lost against another one. They don't count as tries. */
const contentionRetries = 4
const contentionPause = Schedule.jittered(Schedule.exponential("10 millis"))

/**
 * Nor do retries of one whose connection was lost while the step ran: these last for about 15 seconds, longer than
 * servers take to restart. Then it counts: the step may be what ends the connection.
 */
const lossRetries = 8

const backoff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]).pipe(Schedule.jittered)

const withCommit = (handled: Effect.Effect<Handled, unknown>): Effect.Effect<Handled, unknown> =>
  Effect.flatMap(
    handled,
    (handled) => handled.commit === undefined ? Effect.succeed(handled) : Effect.as(handled.commit, handled)
  )

const lockFirst = ({ sql }: Options, claimed: ClaimedTask) =>
  Effect.flatMap(
    Effect.withTracerEnabled(lockAttempt(sql, claimed), false),
    (transitions) => transitions === claimed.transitions ? Effect.void : new LeaseLost()
  )

/**
 * An outer transaction means `TaskTest.rolledBack`: `now()` stands still there, so times begin with the transaction.
 */
const store = Effect.fnUntraced(function*(
  { lease, sql, toHistory }: Options,
  attempt: Attempt,
  outcome: RowOutcome,
  nested: boolean
) {
  const { claimed } = attempt
  const from = nested ? "Transaction" : "Statement"
  const send = (history?: HistoryEntry) =>
    Effect.withTracerEnabled(
      storeInTransaction(sql, toChanges([{ claimed, outcome, history }]), { lease, from }),
      false
    )
  const [took, stored] = yield* Effect.timed(send(toHistory?.(attempt, outcome)))
  if (stored === undefined) return yield* new LeaseLost()
  claimed.watched = stored.watched === true
  // It waited for a lock, and the new lease has begun before. The history is written already.
  if (outcome._tag === "Continued" && Duration.toMillis(took) > lease / 6) yield* send()
  return withStored(claimed, outcome, stored)
})

/**
 * The driver waits for the answer to a ROLLBACK without end. But if a statement is interrupted and gets no answer, the
 * driver ends the connection, and so the transaction.
 */
const endSilence = (sql: SqlClient): Effect.Effect<void> =>
  Effect.ignore(Effect.timeout(Effect.interruptible(Effect.withTracerEnabled(ping(sql), false)), "2 seconds"))

const transact = (options: Options, attempt: Attempt, handled: Effect.Effect<Handled, unknown>, progress: Progress) =>
  Effect.suspend(() => {
    const { sql } = options
    const { claimed } = attempt
    progress.stage = "Begin"
    return sql.withTransaction(
      Effect.gen(function*() {
        if (progress.locksFirst) yield* lockFirst(options, claimed)
        progress.stage = "Step"
        // What the step leaves to its scope belongs to the transaction, too: it may write, and it may fail.
        const { children, outcome } = yield* Effect.scoped(withCommit(handled))
        progress.stage = "Store"
        if (children !== undefined) yield* children
        progress.outcome = outcome
        const written = yield* store(options, attempt, outcome, progress.nested)
        // An interruption that comes during COMMIT hides its success: this doesn't miss it.
        yield* sql.afterCommit(Effect.sync(() => {
          attempt.committed = written
        }))
        progress.stage = "Commit"
        return written
      }).pipe(Effect.onInterrupt(() => endSilence(sql)))
    )
  })

const warn = (claimed: ClaimedTask, message: string): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logWarning(message), annotationsOf(claimed))

/** The library's own statements were in trouble: begins anew for as long as it takes. */
const undoneByOurs = (
  claimed: ClaimedTask,
  progress: Progress,
  cause: Cause.Cause<unknown>,
  locksFirst = true
): Effect.Effect<never, Undone> =>
  Effect.suspend(() => {
    const error = findInCause(cause)
    const why = error === undefined ? "" : `: ${messageOf(error)}`
    const told = progress.told
    progress.told = true
    progress.locksFirst ||= locksFirst
    return Effect.andThen(
      told
        ? Effect.void
        : warn(claimed, `The step's transaction can't be stored yet${why}. It is tried again until it can`),
      new Undone()
    )
  })

/** The connection was lost, or could only read, while the step ran: perhaps because of what the step does. */
const undoneByLoss = (
  claimed: ClaimedTask,
  progress: Progress,
  cause: Cause.Cause<unknown>
): Effect.Effect<never, unknown> =>
  Effect.suspend(() => {
    if (progress.losses++ === lossRetries) return Effect.failCause(cause)
    progress.locksFirst = true
    const what = findInCause(cause, isReadOnly) === undefined ? "The connection was lost" : "Writing is refused"
    return Effect.andThen(warn(claimed, `${what} in the step's transaction: running it again`), new Undone())
  })

/**
 * A COMMIT whose answer was lost: the row tells whether it was carried out. If the row is gone, or no longer this
 * attempt's, that is not known: the attempt's own release is then refused.
 */
const afterLostCommit = (
  options: Options,
  claimed: ClaimedTask,
  progress: Progress,
  cause: Cause.Cause<unknown>
): Effect.Effect<Outcome, unknown> => {
  const { outcome } = progress
  return lockAttempt(options.sql, claimed).pipe(
    Effect.withTracerEnabled(false),
    Effect.timeout("15 seconds"),
    Effect.retry(backoff),
    Effect.orDie,
    Effect.flatMap((transitions): Effect.Effect<Outcome, unknown> => {
      if (transitions === claimed.transitions) return undoneByLoss(claimed, progress, cause)
      return outcome?._tag === "Continued" && transitions === nextTransition(claimed.transitions)
        ? stored(options, claimed, outcome)
        : Effect.succeed({ _tag: "Released" })
    })
  )
}

const stored = ({ debug }: Options, claimed: ClaimedTask, outcome: RowOutcome): Effect.Effect<Outcome> =>
  Effect.as(reportStored(claimed, outcome, debug), { _tag: "Stored", outcome })

const afterFailedStep = (
  claimed: ClaimedTask,
  progress: Progress,
  cause: Cause.Cause<unknown>,
  isLost: boolean
): Effect.Effect<never, unknown> => {
  // Steps that signal each other's tasks lock each other's rows: to lock the own one first would not help.
  if (findInCause(cause, isOwnContention) !== undefined) return undoneByOurs(claimed, progress, cause, false)
  return isLost || findInCause(cause, isReadOnly) !== undefined
    ? undoneByLoss(claimed, progress, cause)
    : Effect.failCause(cause)
}

/** What becomes of a transaction that failed. */
const afterFailure = (
  options: Options,
  claimed: ClaimedTask,
  progress: Progress,
  cause: Cause.Cause<unknown>
): Effect.Effect<Outcome, unknown> => {
  const isLost = findInCause(cause, isConnectionLost) !== undefined
  if (progress.nested || Cause.hasInterrupts(cause) || isLeaseLost(cause)) return Effect.failCause(cause)
  switch (progress.stage) {
    case "Begin":
      return undoneByOurs(claimed, progress, cause)
    case "Step":
      return afterFailedStep(claimed, progress, cause, isLost)
    case "Store":
      return findInCause(cause, mayPass) !== undefined
        ? undoneByOurs(claimed, progress, cause)
        : Effect.failCause(cause)
    case "Commit":
      return isLost ? afterLostCommit(options, claimed, progress, cause) : Effect.failCause(cause)
  }
}

/** Runs `handled`, its `commit`, and the fenced write of its outcome in one transaction. */
export const storeTogether = (
  options: Options,
  attempt: Attempt,
  handled: Effect.Effect<Handled, unknown>
): Effect.Effect<Outcome, unknown> =>
  Effect.flatMap(isInTransaction(options.sql), (nested) => {
    const progress: Progress = { stage: "Begin", nested, outcome: undefined, losses: 0, locksFirst: false, told: false }
    const isStepsContention = (error: unknown) =>
      (progress.stage === "Step" || progress.stage === "Commit") && isContention(error)
    const { claimed } = attempt
    const transacted = transact(options, attempt, handled, progress)
    return (nested ? transacted : options.limitTransactions(transacted)).pipe(
      Effect.retry({ schedule: contentionPause, times: contentionRetries, while: isStepsContention }),
      Effect.flatMap((outcome) => stored(options, claimed, outcome)),
      Effect.catchCause((cause) => afterFailure(options, claimed, progress, cause)),
      Effect.retry({ schedule: backoff, while: (error) => safely(() => error instanceof Undone, false) })
    )
  })

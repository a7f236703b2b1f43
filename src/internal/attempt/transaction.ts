/**
 * A step's writes and its transition, committed together or not at all. What the library's own statements meet is no
 * failure of the step: then its transaction is begun anew, until it can be committed.
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { SqlClient } from "effect/sql/SqlClient"
import { annotationsOf, type ClaimedTask } from "./claimedTask.ts"
import { withinLimit } from "./connections.ts"
import { findInCause, isConnectionLost, isContention, isReadOnly, mayPass, messageOf } from "../sql/errors.ts"
import { type Outcome, type RowOutcome, toChanges } from "./outcome.ts"
import { reportStored } from "./log.ts"
import { safely } from "../sql/safely.ts"
import { storeInTransaction } from "../sql/statements.ts"
import { lockAttempt, ping } from "../sql/attempt.ts"
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
}

interface Options {
  readonly sql: SqlClient
  /** In milliseconds. */
  readonly lease: number
  /** Whether debug messages are logged at all. */
  readonly debug: boolean
}

type Stage =
  /** Before anything of the step runs: the connection, BEGIN, the lock on the row. */
  | "Begin"
  /** The step's own code, and its own statements. */
  | "Step"
  /** The library's statement that stores the outcome. */
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

/**
 * Nor do retries of one whose connection was lost while the step ran: these last for about 15 seconds, longer than
 * servers take to restart. Then it counts: the step may be what ends the connection.
 */
const lossRetries = 8

const backoff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]).pipe(Schedule.jittered)

const withCommit = (handled: Effect.Effect<Handled, unknown>): Effect.Effect<RowOutcome, unknown> =>
  Effect.flatMap(
    handled,
    ({ commit, outcome }) => commit === undefined ? Effect.succeed(outcome) : Effect.as(commit, outcome)
  )

const lockFirst = ({ sql }: Options, held: ClaimedTask) =>
  Effect.flatMap(
    Effect.withTracerEnabled(lockAttempt(sql, held), false),
    (transitions) => transitions === held.transitions ? Effect.void : new LeaseLost()
  )

/** A transaction around that of the step is a test's, in which no time passes. */
const store = Effect.fnUntraced(function*(
  { lease, sql }: Options,
  held: ClaimedTask,
  outcome: RowOutcome,
  nested: boolean
) {
  const from = nested ? "Transaction" : "Statement"
  const send = storeInTransaction(sql, toChanges([{ held, outcome }]), { lease, from })
  const [took, stored] = yield* Effect.timed(Effect.withTracerEnabled(send, false))
  if (!stored) return yield* new LeaseLost()
  // It waited for a lock, and the new lease has begun before.
  if (outcome._tag === "Continued" && Duration.toMillis(took) > lease / 6) yield* send
})

/**
 * The driver waits for the answer to a ROLLBACK without end, but not for that to a statement that is interrupted: it ends
 * the connection if there is none, and with it the transaction.
 */
const endSilence = (sql: SqlClient): Effect.Effect<void> =>
  Effect.ignore(Effect.timeout(Effect.interruptible(Effect.withTracerEnabled(ping(sql), false)), "2 seconds"))

const transact = (options: Options, held: ClaimedTask, handled: Effect.Effect<Handled, unknown>, progress: Progress) =>
  Effect.suspend(() => {
    const { sql } = options
    progress.stage = "Begin"
    return sql.withTransaction(
      Effect.gen(function*() {
        if (progress.locksFirst) yield* lockFirst(options, held)
        progress.stage = "Step"
        // What the step leaves to its scope belongs to the transaction, too: it may write, and it may fail.
        const outcome = yield* Effect.scoped(withCommit(handled))
        progress.stage = "Store"
        progress.outcome = outcome
        yield* store(options, held, outcome, progress.nested)
        // An interruption that comes during COMMIT hides its success: this doesn't miss it.
        yield* sql.afterCommit(Effect.sync(() => {
          held.committed = outcome
        }))
        progress.stage = "Commit"
        return outcome
      }).pipe(Effect.onInterrupt(() => endSilence(sql)))
    )
  })

const warn = (held: ClaimedTask, message: string): Effect.Effect<void> =>
  Effect.annotateLogs(Effect.logWarning(message), annotationsOf(held))

/** The library's own statements were in trouble: begins anew for as long as it takes. */
const undoneByOurs = (
  held: ClaimedTask,
  progress: Progress,
  cause: Cause.Cause<unknown>
): Effect.Effect<never, Undone> =>
  Effect.suspend(() => {
    const error = findInCause(cause)
    const why = error === undefined ? "" : `: ${messageOf(error)}`
    const told = progress.told
    progress.told = progress.locksFirst = true
    return Effect.andThen(
      told
        ? Effect.void
        : warn(held, `The step's transaction can't be stored yet${why}. It is tried again until it can`),
      new Undone()
    )
  })

/** The connection was lost, or could only read, while the step ran: perhaps because of what the step does. */
const undoneByLoss = (
  held: ClaimedTask,
  progress: Progress,
  cause: Cause.Cause<unknown>
): Effect.Effect<never, unknown> =>
  Effect.suspend(() => {
    if (progress.losses++ === lossRetries) return Effect.failCause(cause)
    progress.locksFirst = true
    const what = findInCause(cause, isReadOnly) === undefined ? "The connection was lost" : "Writing is refused"
    return Effect.andThen(warn(held, `${what} in the step's transaction: running it again`), new Undone())
  })

/**
 * A COMMIT whose answer was lost: the row tells whether it was carried out. If the row is gone, or no longer this
 * attempt's, that is not known: the attempt's own release is then refused.
 */
const afterLostCommit = (
  options: Options,
  held: ClaimedTask,
  progress: Progress,
  cause: Cause.Cause<unknown>
): Effect.Effect<Outcome, unknown> => {
  const { outcome } = progress
  return lockAttempt(options.sql, held).pipe(
    Effect.withTracerEnabled(false),
    Effect.timeout("15 seconds"),
    Effect.retry(backoff),
    Effect.orDie,
    Effect.flatMap((transitions): Effect.Effect<Outcome, unknown> => {
      if (transitions === held.transitions) return undoneByLoss(held, progress, cause)
      return outcome?._tag === "Continued" && transitions === nextTransition(held.transitions)
        ? stored(options, held, outcome)
        : Effect.succeed({ _tag: "Released" })
    })
  )
}

const stored = ({ debug }: Options, held: ClaimedTask, outcome: RowOutcome): Effect.Effect<Outcome> =>
  Effect.as(reportStored(held, outcome, debug), { _tag: "Stored", outcome })

/** What becomes of a transaction that failed. */
const afterFailure = (
  options: Options,
  held: ClaimedTask,
  progress: Progress,
  cause: Cause.Cause<unknown>
): Effect.Effect<Outcome, unknown> => {
  const isLost = findInCause(cause, isConnectionLost) !== undefined
  if (progress.nested || Cause.hasInterrupts(cause) || isLeaseLost(cause)) return Effect.failCause(cause)
  switch (progress.stage) {
    case "Begin":
      return undoneByOurs(held, progress, cause)
    case "Step":
      return isLost || findInCause(cause, isReadOnly) !== undefined
        ? undoneByLoss(held, progress, cause)
        : Effect.failCause(cause)
    case "Store":
      return findInCause(cause, mayPass) !== undefined ? undoneByOurs(held, progress, cause) : Effect.failCause(cause)
    case "Commit":
      return isLost ? afterLostCommit(options, held, progress, cause) : Effect.failCause(cause)
  }
}

/** Runs `handled`, its `commit`, and the fenced write of its outcome in one transaction. */
export const storeTogether = (
  options: Options,
  held: ClaimedTask,
  handled: Effect.Effect<Handled, unknown>
): Effect.Effect<Outcome, unknown> =>
  Effect.flatMap(isInTransaction(options.sql), (nested) => {
    const progress: Progress = { stage: "Begin", nested, outcome: undefined, losses: 0, locksFirst: false, told: false }
    const isStepsContention = (error: unknown) =>
      (progress.stage === "Step" || progress.stage === "Commit") && isContention(error)
    const transacted = transact(options, held, handled, progress)
    return (nested ? transacted : withinLimit(options.sql, transacted)).pipe(
      Effect.retry({ times: contentionRetries, while: isStepsContention }),
      Effect.flatMap((outcome) => stored(options, held, outcome)),
      Effect.catchCause((cause) => afterFailure(options, held, progress, cause)),
      Effect.retry({ schedule: backoff, while: (error) => safely(() => error instanceof Undone, false) })
    )
  })

const isInTransaction = (sql: SqlClient): Effect.Effect<boolean> =>
  Effect.map(Effect.serviceOption(sql.transactionService), Option.isSome)

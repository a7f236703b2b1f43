/** A step's writes and its transition, committed together or not at all. */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import type { SqlClient } from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"
import { annotationsOf, type Held } from "./attempt.ts"
import { isConnectionLost, troubleOf } from "./database.ts"
import { type Outcome, type RowOutcome, toChanges } from "./outcome.ts"
import { reportStored } from "./report.ts"
import { storeInTransaction } from "./sql.ts"
import { nextTransition } from "./transitions.ts"

/** The attempt is no longer the current one: everything it wrote is rolled back. */
export class LeaseLost extends Data.TaggedError("LeaseLost")<{}> {}

/** The connection was lost with the transaction, of which nothing remains. */
class TransactionLost extends Data.TaggedError("TransactionLost")<{ readonly lost: Cause.Cause<unknown> }> {}

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

/** How far a transaction has come, and how often it was lost on the way. */
interface Progress {
  stage: "Begin" | "Step" | "Commit"
  /** What is to be committed. */
  outcome: RowOutcome | undefined
  losses: number
}

/** Retries of a transaction that lost against another one. They don't count as tries of the step. */
const contentionRetries = 4

/**
 * Nor do retries of one whose connection was lost while the step ran: these last for about 15 seconds, longer than
 * servers take to restart. Then it counts: the step may be what ends the connection.
 */
const lossRetries = 8

const backoff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("5 seconds")]).pipe(Schedule.jittered)

/** Whether an error, or what caused it, is one of the database of this kind: handlers may wrap it. */
const isDatabaseError = (
  error: unknown,
  kind: (error: Parameters<typeof troubleOf>[0]) => boolean,
  depth = 0
): boolean =>
  isSqlError(error)
    ? kind(error)
    : hasProperty(error, "cause") && depth < 5 && isDatabaseError(error.cause, kind, depth + 1)

/** A serialization failure, a deadlock or a lock timeout. */
const isContention = (error: unknown): boolean =>
  isDatabaseError(
    error,
    (sqlError) => troubleOf(sqlError) === "Lock" && sqlError.reason._tag !== "StatementTimeoutError"
  )

/** A ROLLBACK that fails, too, has made defects of all failures. */
const isLoss = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some((reason) =>
    !Cause.isInterruptReason(reason) &&
    isDatabaseError(Cause.isFailReason(reason) ? reason.error : reason.defect, isConnectionLost)
  )

const withCommit = (handled: Effect.Effect<Handled, unknown>): Effect.Effect<RowOutcome, unknown> =>
  Effect.flatMap(
    handled,
    ({ commit, outcome }) => commit === undefined ? Effect.succeed(outcome) : Effect.as(commit, outcome)
  )

const transact = ({ lease, sql }: Options, held: Held, handled: Effect.Effect<Handled, unknown>, progress: Progress) =>
  Effect.suspend(() => {
    progress.stage = "Begin"
    return sql.withTransaction(
      Effect.gen(function*() {
        progress.stage = "Step"
        // What the step leaves to its scope belongs to the transaction, too: it may write, and it may fail.
        const outcome = yield* Effect.scoped(withCommit(handled))
        const changes = toChanges([{ held, outcome }])
        // A transaction around that of the step is a test's, in which no time passes.
        const [, depth] = yield* Effect.orDie(Effect.fromOption(yield* Effect.serviceOption(sql.transactionService)))
        const from = depth > 0 ? "Transaction" : "Statement"
        const stored = yield* Effect.withTracerEnabled(storeInTransaction(sql, changes, { lease, from }), false)
        if (!stored) return yield* new LeaseLost()
        // An interruption that comes during COMMIT hides its success: this doesn't miss it.
        yield* sql.afterCommit(Effect.sync(() => {
          held.committed = outcome
        }))
        progress.outcome = outcome
        progress.stage = "Commit"
        return outcome
      })
    )
  })

/**
 * A COMMIT whose answer was lost. If it was carried out, a `NextStep.now` has kept the lease for a next step that
 * nobody knows of: gives that back. Then this attempt's own release is refused; else another attempt begins.
 */
const afterLostCommit = ({ lease, sql }: Options, held: Held, { outcome }: Progress): Effect.Effect<Outcome> => {
  const released: Outcome = { _tag: "Release" }
  if (outcome?._tag !== "Advance") return Effect.succeed(released)
  const next = toChanges([{ held: { ...held, transitions: nextTransition(held.transitions) }, outcome: released }])
  return storeInTransaction(sql, next, { lease, from: "Transaction" }).pipe(
    Effect.withTracerEnabled(false),
    Effect.timeout("15 seconds"),
    Effect.retry(backoff),
    Effect.ignore,
    Effect.as(released)
  )
}

/** What becomes of a transaction that the connection, and not the step, has ended. */
const afterLoss = (
  options: Options,
  held: Held,
  progress: Progress,
  cause: Cause.Cause<unknown>
): Effect.Effect<Outcome, unknown> => {
  if (Cause.hasInterrupts(cause)) return Effect.failCause(cause)
  // Nothing of the step has run: whatever the reason is, it is not the step's.
  if (progress.stage === "Begin") return new TransactionLost({ lost: cause })
  if (!isLoss(cause)) return Effect.failCause(cause)
  if (progress.stage === "Commit") return afterLostCommit(options, held, progress)
  return progress.losses++ < lossRetries ? new TransactionLost({ lost: cause }) : Effect.failCause(cause)
}

/** Runs `handled`, its `commit`, and the fenced write of its outcome in one transaction. */
export const storeTogether = (
  options: Options,
  held: Held,
  handled: Effect.Effect<Handled, unknown>
): Effect.Effect<Outcome, unknown> =>
  Effect.suspend(() => {
    const progress: Progress = { stage: "Begin", outcome: undefined, losses: 0 }
    return transact(options, held, handled, progress).pipe(
      Effect.retry({ times: contentionRetries, while: isContention }),
      Effect.tap((outcome) => reportStored(held, outcome, options.debug)),
      Effect.map((outcome): Outcome => ({ _tag: "Stored", outcome })),
      Effect.catchCause((cause) => afterLoss(options, held, progress, cause)),
      Effect.tapError((error) => error instanceof TransactionLost ? logLost(held) : Effect.void),
      Effect.retry({ schedule: backoff, while: (error) => error instanceof TransactionLost })
    )
  })

const logLost = (held: Held): Effect.Effect<void> =>
  Effect.logWarning("The connection was lost with the step's transaction: running it again").pipe(
    Effect.annotateLogs(annotationsOf(held))
  )

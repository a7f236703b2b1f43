/**
 * Work that follows outcomes, once they are committed: it notifies other workers of tasks that this worker leaves to
 * them, and does what depends on a task (see `facts` in sql/claim.ts). It never delays the writer. Nothing relies on
 * it: a crash before it costs only time, because other workers repeat it.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Entry } from "../attempt/claimedTask.ts"
import { failureKindOf, findInCause, messageOf } from "../sql/errors.ts"
import type { Database } from "./database.ts"
import { Signal } from "./signal.ts"

/** Work that depends on the outcomes of tasks with facts. May be done twice: so it must make no difference then. */
export interface FollowUp {
  /**
   * The outcomes since the last time. Without any, it looks for work that a crashed worker has not done. What fails is
   * done again, with what has come until then.
   */
  readonly work: (committed: ReadonlyArray<Entry>) => Effect.Effect<void, SqlError>
  /** How often it looks, also while there are outcomes all the time, in milliseconds. */
  readonly every: number
}

/** Nothing depends on another task yet. */
export const CurrentFollowUp = Context.Reference<FollowUp | undefined>("effect-pg-task/internal/FollowUp", {
  defaultValue: () => undefined
})

/** More outcomes than these are not remembered: what they call for is then looked for, as after a crash. */
const maxEntries = 10_000

/** Before work is done again that failed though the database is there, in milliseconds. */
const failedPause = 1000

const isRefused = (error: SqlError): boolean => failureKindOf(error) !== "Database"

/** Says that work failed, or was interrupted from inside. A defect is a bug: it stays one. */
const noteFailure = (cause: Cause.Cause<SqlError>): Effect.Effect<void> => {
  if (Cause.hasDies(cause)) return Effect.orDie(Effect.failCause(cause))
  const error = findInCause(cause)
  const why = error === undefined ? "it was interrupted" : messageOf(error)
  const message = `What follows from outcomes could not be done, and will be tried again: ${why}`
  return error !== undefined && failureKindOf(error) === "Lock" ? Effect.logDebug(message) : Effect.logWarning(message)
}

export interface AfterCommitOptions {
  readonly database: Database
  readonly followUp: FollowUp | undefined
  /** Notifies the workers. */
  readonly tell: Effect.Effect<unknown>
}

export class AfterCommit {
  private readonly options: AfterCommitOptions
  private readonly leftTasks = new Signal()
  private readonly mayFollow = new Signal()
  private entries: Array<Entry> = []
  /** It is time to look for what others have left undone. */
  private mustLook = false

  constructor(options: AfterCommitOptions) {
    this.options = options
  }

  /** An outcome is in the row. */
  committed(entry: Entry): void {
    if (entry.claimed.facts === null || this.options.followUp === undefined) return
    if (this.entries.length < maxEntries) this.entries.push(entry)
    else this.mustLook = true
    this.mayFollow.set()
  }

  /** This worker leaves a task to others: they must be notified. */
  left(): void {
    this.leftTasks.set()
  }

  /** Works until its fiber is interrupted. Its parts don't wait for each other: work that hangs does so for long. */
  get run(): Effect.Effect<never> {
    const { followUp, tell } = this.options
    const telling = Effect.forever(Effect.andThen(this.leftTasks.wait(), tell))
    if (followUp === undefined) return telling
    const following = this.mayFollow.wait().pipe(
      // The others of a batch come in the same turn.
      Effect.andThen(Effect.yieldNow),
      Effect.andThen(Effect.suspend(() => this.follow(followUp))),
      Effect.forever
    )
    const ticking = Effect.forever(Effect.map(Effect.sleep(followUp.every), () => {
      this.mustLook = true
      this.mayFollow.set()
    }))
    return Effect.raceAllFirst([telling, following, ticking])
  }

  /** The look that is due, or else the outcomes so far. */
  private follow({ every, work }: FollowUp): Effect.Effect<void> {
    const isLook = this.mustLook
    const entries = isLook ? [] : this.entries
    if (isLook) this.mustLook = false
    else this.entries = []
    if (!isLook && entries.length === 0) return Effect.void
    // Sent again for as long as the database is away.
    return this.options.database.retryingUnless(work(entries), isRefused).pipe(
      Effect.catchCause((cause) => {
        this.entries = [...entries, ...this.entries]
        return Effect.andThen(noteFailure(cause), Effect.sleep(Math.min(failedPause, every / 2)))
      }),
      // There may be more to do, by now.
      Effect.map(() => this.mayFollow.set())
    )
  }
}

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
import type { Chore, Chores } from "./chores.ts"
import type { Database } from "./database.ts"
import type { OthersLooks } from "./othersLooks.ts"
import { Signal } from "./signal.ts"

/** Work that depends on the outcomes of some tasks. May be done twice: so it must make no difference then. */
export interface FollowUp {
  /** Whether an outcome calls for this work. Asked only about tasks with facts, or that somebody waits for. */
  readonly concerns: (committed: Entry) => boolean
  /**
   * The outcomes since the last time. Without any, it looks for work that a crashed worker has not done. What fails is
   * done again, with what has come until then.
   */
  readonly work: (committed: ReadonlyArray<Entry>) => Effect.Effect<void, SqlError>
  /**
   * How often one of the workers of the same tasks looks, also while there are outcomes all the time, in milliseconds.
   * Infinite: never.
   */
  readonly every: number
  /** The kind of work that it looks for, where a poll may ask for it. */
  readonly chore?: Chore
}

/** What a worker does beside its own follow-ups: in tests. */
export const ExtraFollowUps = Context.Reference<ReadonlyArray<FollowUp>>("effect-pg-task/internal/FollowUps", {
  defaultValue: () => []
})

/** More outcomes than these are not remembered: what they call for is then looked for, as after a crash. */
const maxEntries = 10_000

/** Others may fail to do what they look for: so each worker looks by itself after it left this many looks to them. */
const longestTrust = 10

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
  readonly followUps: ReadonlyArray<FollowUp>
  /** Whether another worker looks for what was left undone. */
  readonly othersLooks: OthersLooks
  readonly chores: Chores
  /** Notifies the workers. */
  readonly tell: Effect.Effect<unknown>
}

export class AfterCommit {
  private readonly tell: Effect.Effect<unknown>
  private readonly leftTasks = new Signal()
  private readonly followers: ReadonlyArray<Follower>

  constructor({ chores, followUps, tell, ...rest }: AfterCommitOptions) {
    this.tell = tell
    this.followers = followUps.map((followUp) => new Follower({ ...rest, chores, followUp }))
    for (const follower of this.followers) follower.listenTo(chores)
  }

  /** An outcome is in the row. */
  committed(entry: Entry): void {
    const { facts, watched } = entry.claimed
    if (facts === null && !watched) return
    for (const follower of this.followers) follower.committed(entry)
  }

  /** This worker leaves a task to others: they must be notified. */
  left(): void {
    this.leftTasks.set()
  }

  /** Waits until all is done that follows from the outcomes so far. A worker that stops does, for a while. */
  get settled(): Effect.Effect<void> {
    return Effect.forEach(this.followers, ({ settled }) => settled, { discard: true })
  }

  /** Works until its fiber is interrupted. Its parts don't wait for each other: work that hangs does so for long. */
  get run(): Effect.Effect<never> {
    const telling = Effect.forever(Effect.andThen(this.leftTasks.wait(), this.tell))
    return Effect.raceAllFirst([telling, ...this.followers.map(({ run }) => run)])
  }
}

interface FollowerOptions extends Pick<AfterCommitOptions, "chores" | "database" | "othersLooks"> {
  readonly followUp: FollowUp
}

/** Does one kind of work. */
class Follower {
  private readonly options: FollowerOptions
  private readonly followUp: FollowUp
  private readonly mayFollow = new Signal()
  private entries: Array<Entry> = []
  /** It is time to look for what others have left undone. */
  private mustLook = false
  private isWorking = false
  private readonly ended = new Signal()
  /** How many looks in a row were left to others. */
  private leftLooks = 0

  constructor(options: FollowerOptions) {
    this.options = options
    this.followUp = options.followUp
  }

  /** A poll finds work of its kind. */
  listenTo(chores: Chores): void {
    const { chore, every } = this.followUp
    if (chore !== undefined && every !== Infinity) chores.on(chore, () => this.look())
  }

  committed(entry: Entry): void {
    if (!this.followUp.concerns(entry)) return
    if (this.entries.length < maxEntries) this.entries.push(entry)
    else this.mustLook = true
    this.mayFollow.set()
  }

  get settled(): Effect.Effect<void> {
    return Effect.whileLoop({
      while: () => this.isWorking || this.entries.length > 0,
      body: () => this.ended.wait(),
      step: () => {}
    })
  }

  get run(): Effect.Effect<never> {
    const following = this.mayFollow.wait().pipe(
      // The others of a batch come in the same turn.
      Effect.andThen(Effect.yieldNow),
      Effect.andThen(Effect.suspend(() => this.follow())),
      Effect.forever
    )
    if (this.followUp.every === Infinity) return following
    const ticking = Effect.forever(Effect.map(Effect.sleep(this.followUp.every), () => this.tick()))
    return Effect.raceAllFirst([following, ticking])
  }

  private tick(): void {
    const { chores, followUp: { chore, every }, othersLooks } = this.options
    if (chore !== undefined && chores.isAsked(every)) return
    if (othersLooks.areMade && ++this.leftLooks < longestTrust) return
    this.look()
  }

  private look(): void {
    this.leftLooks = 0
    this.mustLook = true
    this.mayFollow.set()
  }

  /** The look that is due, or else the outcomes so far. */
  private follow(): Effect.Effect<void> {
    const { every, work } = this.followUp
    const isLook = this.mustLook
    const entries = isLook ? [] : this.entries
    if (isLook) this.mustLook = false
    else this.entries = []
    if (!isLook && entries.length === 0) return Effect.void
    this.isWorking = true
    // Sent again for as long as the database is away.
    return this.options.database.retryingUnless(work(entries), isRefused).pipe(
      Effect.catchCause((cause) => {
        this.entries = [...entries, ...this.entries]
        return Effect.andThen(noteFailure(cause), Effect.sleep(Math.min(failedPause, every / 2)))
      }),
      // There may be more to do, by now.
      Effect.map(() => {
        this.isWorking = false
        this.ended.set()
        this.mayFollow.set()
      })
    )
  }
}

/**
 * Work that follows outcomes, once they are committed: it notifies other workers of tasks that this worker leaves to
 * them, and does what depends on a task (see `facts` in sql/claim.ts). It never delays the writer. Nothing relies on
 * it: a crash before it costs only time, because other workers repeat it.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Entry } from "../attempt/claimedTask.ts"
import type { Database } from "./database.ts"
import { Signal } from "./signal.ts"

/** Work that depends on the outcomes of tasks with facts. May be done twice: so it must make no difference then. */
export interface FollowUp {
  /** The outcomes since the last time. Without any, it looks for work that a crashed worker has not done. */
  readonly work: (committed: ReadonlyArray<Entry>) => Effect.Effect<void, SqlError>
  /** How often it is done at least, in milliseconds. */
  readonly every: number
}

/** Nothing depends on another task yet. */
export const CurrentFollowUp = Context.Reference<FollowUp | undefined>("effect-pg-task/internal/FollowUp", {
  defaultValue: () => undefined
})

export interface AfterCommitOptions {
  readonly database: Database
  readonly followUp: FollowUp | undefined
  /** Notifies the workers. */
  readonly tell: Effect.Effect<unknown>
}

export class AfterCommit {
  private readonly options: AfterCommitOptions
  private readonly signal = new Signal()
  private hasLeft = false
  private entries: Array<Entry> = []

  constructor(options: AfterCommitOptions) {
    this.options = options
  }

  /** An outcome is in the row. */
  committed(entry: Entry): void {
    if (entry.claimed.facts === null || this.options.followUp === undefined) return
    this.entries.push(entry)
    this.signal.set()
  }

  /** This worker leaves a task to others: they must be notified. */
  left(): void {
    this.hasLeft = true
    this.signal.set()
  }

  /** Works until its fiber is interrupted. */
  get run(): Effect.Effect<never> {
    const { followUp } = this.options
    return Effect.forever(
      Effect.andThen(this.signal.wait(followUp?.every), Effect.suspend(() => this.work(followUp)))
    )
  }

  private work(followUp: FollowUp | undefined): Effect.Effect<void> {
    const told = this.hasLeft ? Effect.asVoid(this.options.tell) : Effect.void
    this.hasLeft = false
    return followUp === undefined ? told : Effect.andThen(told, Effect.suspend(() => this.follow(followUp)))
  }

  /** What fails is done again at the next time, with what has come until then. */
  private follow(followUp: FollowUp): Effect.Effect<void> {
    const entries = this.entries
    this.entries = []
    const { database } = this.options
    return database.withTimeout(followUp.work(entries)).pipe(
      Effect.catch((error) => {
        this.entries = [...entries, ...this.entries]
        return database.markLost(error)
      })
    )
  }
}

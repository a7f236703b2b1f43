/** Which tasks are paused: a worker begins no step of them, and claims none of their rows. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import { messageOf } from "../sql/errors.ts"
import type { KnownTask } from "../sql/known.ts"
import { pausedTasks } from "../sql/pauses.ts"
import type { Database } from "./database.ts"
import { Signal } from "./signal.ts"

/** Stands for all tasks where each of them is paused: statements need one. No row has this name. */
const nobody: KnownTask = { name: "effect-pg-task: all are paused", states: [] }

export interface PausesOptions {
  readonly sql: SqlClient
  readonly database: Database
  /** The tasks of this worker. */
  readonly known: ReadonlyArray<KnownTask>
  /** Called when a task goes on. */
  readonly onResumed: () => void
}

export class Pauses {
  /** What may be claimed. */
  claimable: ReadonlyArray<KnownTask>
  private readonly options: PausesOptions
  private readonly changed = new Signal()
  private paused: ReadonlySet<string> = new Set()
  private warned = false

  constructor(options: PausesOptions) {
    this.options = options
    this.claimable = options.known
  }

  readonly isPaused = (task: string): boolean => this.paused.size > 0 && this.paused.has(task)

  /** Something was paused or resumed, perhaps. */
  look(): void {
    this.changed.set()
  }

  /** Looks until its fiber is interrupted: after a notification, or as often as the worker polls if none come through. */
  run(pollInterval: () => number, hears: () => boolean): Effect.Effect<never> {
    const turn = Effect.suspend(() =>
      Effect.flatMap(
        this.changed.wait(pollInterval()),
        (isTold) => isTold || !hears() ? this.load : Effect.void
      )
    )
    return Effect.forever(turn)
  }

  get load(): Effect.Effect<void> {
    const { database, sql } = this.options
    return Effect.matchEffect(database.withTimeout(pausedTasks(sql)), {
      // The worker's other statements tell if the database is lost.
      onFailure: (error) => {
        const message = `It could not be read which tasks are paused: ${messageOf(error)}`
        const say = this.warned ? Effect.logDebug(message) : Effect.logWarning(message)
        this.warned = true
        return say
      },
      onSuccess: (tasks) => Effect.sync(() => this.set(new Set(tasks)))
    })
  }

  private set(paused: ReadonlySet<string>): void {
    const { known, onResumed } = this.options
    const isResumed = [...this.paused].some((task) => !paused.has(task))
    this.paused = paused
    const claimable = known.filter(({ name }) => !paused.has(name))
    this.claimable = claimable.length === known.length ? known : claimable.length === 0 ? [nobody] : claimable
    if (isResumed) onResumed()
  }
}

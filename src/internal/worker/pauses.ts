/** Which tasks are paused: a worker begins no step of them, and claims none of their rows. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import { codeOf, messageOf } from "../sql/errors.ts"
import type { KnownTask } from "../sql/known.ts"
import { pausedTasks } from "../sql/pauses.ts"
import type { Database } from "./database.ts"
import { Signal } from "./signal.ts"

/** Stands for all tasks where each of them is paused: statements need one. No row has this name. */
const nobody: KnownTask = { name: "effect-pg-task: all are paused", states: [] }

/** While no notifications come through, in milliseconds. */
const lookEvery = 1000

const withoutPaused = (known: ReadonlyArray<KnownTask>, paused: ReadonlySet<string>): ReadonlyArray<KnownTask> => {
  if (paused.size === 0) return known
  const claimable = known.filter(({ name }) => !paused.has(name))
  return claimable.length === 0 ? [nobody] : claimable
}

export interface PausesOptions {
  readonly sql: SqlClient
  readonly database: Database
  /** The tasks of this worker. */
  readonly known: ReadonlyArray<KnownTask>
  /** Called when a task goes on. */
  readonly onResumed: () => void
}

/** What a part of a worker may claim of the tasks that it knows: not those that are paused. */
export interface Claimable {
  readonly claimable: ReadonlyArray<KnownTask>
}

export class Pauses implements Claimable {
  /** The tasks of this worker. */
  readonly known: ReadonlyArray<KnownTask>
  private readonly options: Omit<PausesOptions, "known">
  private readonly changed = new Signal()
  private paused: ReadonlySet<string> = new Set()
  private warned = false
  /** This role may read what is paused. */
  private mayRead = true
  /** The last look has failed: what it would have found, no notification tells again. */
  private failed = false
  private readonly all: Claimable

  constructor({ known, ...options }: PausesOptions) {
    this.known = known
    this.options = options
    this.all = this.within(known)
  }

  get claimable(): ReadonlyArray<KnownTask> {
    return this.all.claimable
  }

  /** What may be claimed of these tasks. */
  within(known: ReadonlyArray<KnownTask>): Claimable {
    const current = () => this.paused
    let seen = this.paused
    let claimable = withoutPaused(known, seen)
    return {
      get claimable() {
        if (seen !== current()) {
          seen = current()
          claimable = withoutPaused(known, seen)
        }
        return claimable
      }
    }
  }

  readonly isPaused = (task: string): boolean => this.paused.size > 0 && this.paused.has(task)

  /** Something was paused or resumed, perhaps. */
  look(): void {
    this.changed.set()
  }

  /** Looks until its fiber is interrupted: after a notification, and often if none come through, or a look has failed. */
  run(listener: { readonly hears: boolean } | undefined): Effect.Effect<never> {
    const isDue = () => this.mayRead && (this.failed || listener?.hears !== true)
    const turn = Effect.suspend(() =>
      Effect.flatMap(this.changed.wait(lookEvery), (isTold) => isTold || isDue() ? this.load : Effect.void)
    )
    return Effect.forever(turn)
  }

  get load(): Effect.Effect<void> {
    const { database, sql } = this.options
    return Effect.matchEffect(database.withTimeout(pausedTasks(sql)), {
      // The worker's other statements tell if the database is lost.
      onFailure: (error) => {
        this.mayRead = codeOf(error) !== "42501"
        this.failed = true
        const message = `It could not be read which tasks are paused: ${messageOf(error)}`
        const say = this.warned ? Effect.logDebug(message) : Effect.logWarning(message)
        this.warned = true
        return say
      },
      onSuccess: (tasks) => Effect.sync(() => this.set(new Set(tasks)))
    })
  }

  private set(paused: ReadonlySet<string>): void {
    this.failed = this.warned = false
    const isResumed = [...this.paused].some((task) => !paused.has(task))
    this.paused = paused
    if (isResumed) this.options.onResumed()
  }
}

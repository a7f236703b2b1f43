/** When tasks have started, by the clock of this process. */
import { Effect } from "effect"
import { Limit, NextStep, Step, Task } from "../../../src/index.ts"
import { type Sync, Sync as SyncState } from "./Syncs.ts"

export class Starts {
  readonly all: Array<{ readonly name: string; readonly tenant: string; readonly at: number }> = []

  readonly note = ({ name, tenant }: Sync): Effect.Effect<void> =>
    Effect.sync(() => void this.all.push({ name, tenant, at: performance.now() }))

  get names(): ReadonlyArray<string> {
    return this.all.map(({ name }) => name)
  }

  /** The most starts in any window of so many milliseconds, of those that are selected. */
  most(window: number, selects: (tenant: string) => boolean = () => true): number {
    const times = this.all.flatMap(({ at, tenant }) => selects(tenant) ? [at] : []).sort((a, b) => a - b)
    return Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at < from + window).length))
  }

  /** From the first start to the last one, in milliseconds. */
  get span(): number {
    return this.all.at(-1)!.at - this.all[0]!.at
  }
}

/** A task of one step, of which so many of each tenant may start in a while. */
export const ratedSyncs = <E, R>(
  options: Limit.Options,
  handler: (sync: Sync) => Effect.Effect<unknown, E, R>,
  retries: { readonly retryLimit?: number; readonly retryDelay?: "1 millis" } = {}
) =>
  Task.make("Syncs", [
    Step.make(SyncState, {
      limit: Limit.make("tenant", options).by(({ tenant }) => tenant),
      handler: (sync) => Effect.as(handler(sync), NextStep.none),
      ...retries
    })
  ])

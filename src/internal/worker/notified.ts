/** What a worker does when notifications come. */
import * as Deferred from "effect/Deferred"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Hash from "effect/Hash"
import type * as Scope from "effect/Scope"
import type { Cancels } from "./cancellations.ts"
import type { Crowd } from "./crowd.ts"
import type { Database } from "./database.ts"
import type { Rescue } from "./leaseRescue.ts"
import { type Listener, makeListener } from "./listener.ts"
import type { Quarantine } from "./quarantine.ts"
import type { Ticker } from "./ticker.ts"
import type { Waker } from "./wakeup.ts"

/** Workers with the same tasks, on the same table, do some of their work for each other. */
export const groupOf = (schema: string, tasks: ReadonlyArray<string>): string =>
  Hash.string(JSON.stringify([schema, ...[...tasks].sort()])).toString(36)

/** What tells a worker from others. */
interface Identity {
  readonly id: string
  /** Of its table. */
  readonly schema: string
  readonly group: string
}

/** The parts of a worker that notifications reach. */
interface Notified {
  readonly cancels: Cancels
  readonly crowd: Crowd
  readonly database: Database
  readonly quarantine: Quarantine
  readonly rescue: Rescue
  readonly stopRequest: Deferred.Deferred<void>
  readonly ticker: Ticker
  readonly wakeup: Waker
}

/** Each probe wakes all peers: so the more there are, the fewer does each send. In milliseconds for each peer. */
const probePause = 500

/** What notifications do. */
export const listenFor = (
  { group, id, schema }: Identity,
  pollInterval: number,
  { cancels, crowd, database, quarantine, rescue, stopRequest, ticker, wakeup }: Notified
): Effect.Effect<Listener | undefined, never, Scope.Scope> =>
  makeListener({
    workerId: id,
    schema,
    group,
    now: () => performance.now(),
    probeInterval: () => Math.max(pollInterval, crowd.size * probePause),
    onChange: () => {
      const delay = crowd.delay()
      if (delay === 0) wakeup.wake()
      else wakeup.lookIn(delay)
      quarantine.hint()
      ticker.look()
    },
    onStop: () => Deferred.doneUnsafe(stopRequest, Exit.void),
    onBroken: () => database.noteBroken(),
    onCancel: (task) => cancels.hear(task),
    onProbe: (probe) => {
      if (probe.group !== group) return
      crowd.heard(probe.workerId, probe.within)
      if (probe.rest !== undefined) rescue.othersLook(probe.rest)
    }
  })

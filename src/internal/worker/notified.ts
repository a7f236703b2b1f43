/** What a worker does when notifications come. */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Deferred from "effect/Deferred"
import * as Exit from "effect/Exit"
import * as Hash from "effect/Hash"
import type { Cancels } from "./cancellations.ts"
import type { Crowd } from "./crowd.ts"
import type { Database } from "./database.ts"
import type { Knocks } from "./knocks.ts"
import type { Rescue } from "./leaseRescue.ts"
import { Listener } from "./listener.ts"
import type { Pauses } from "./pauses.ts"
import { OwnProbe } from "./probe.ts"
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
  readonly knocks: Knocks
  readonly pauses: Pauses
  readonly probe: OwnProbe
  readonly quarantine: Quarantine
  readonly rescue: Rescue
  readonly stopRequest: Deferred.Deferred<void>
  readonly ticker: Ticker
  readonly wakeup: Waker
}

/** Each probe wakes all peers: so the more there are, the fewer does each send. In milliseconds for each peer. */
const probePause = 500

export const probesOf = ({ group, id }: Identity, pollInterval: number, crowd: Crowd): OwnProbe =>
  new OwnProbe(id, group, () => crowd.heardOf, () => Math.max(pollInterval, crowd.size * probePause))

/** What notifications do. */
export const listenWith = (
  client: PgClient,
  { group, id, schema }: Identity,
  { cancels, crowd, database, knocks, pauses, probe, quarantine, rescue, stopRequest, ticker, wakeup }: Notified
): Listener => {
  const listener = new Listener({
    client,
    workerId: id,
    schema,
    probe,
    now: () => performance.now(),
    onChange: () => {
      const { _tag, delay } = crowd.answer()
      if (_tag === "Claim") wakeup.wake(delay)
      else wakeup.lookIn(delay)
      quarantine.hint()
      ticker.look()
    },
    onStop: () => Deferred.doneUnsafe(stopRequest, Exit.void),
    onBroken: () => database.noteBroken(),
    onCancel: (task) => cancels.hear(task),
    onPauses: () => pauses.look(),
    onBackOff: ({ key, millis }) => knocks.backedOff(key, millis),
    onProbe: (other) => {
      if (other.group !== group) return
      const welcome = crowd.heard(other)
      if (welcome !== undefined) listener.probeIn(welcome)
      else if (other.size >= crowd.heardOf) listener.leaveProbe()
      if (other.rest !== undefined) rescue.othersLook(other.rest)
    }
  })
  return listener
}

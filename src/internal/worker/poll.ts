/**
 * The look of a worker that has nothing to claim. One statement asks for all that it must know from time to time: what
 * is due next, whether a row is in quarantine, and, when it is time for that, which leases have expired, whether
 * notifications come through, and whether there are chores. A worker that is too busy to look asks for these one by one
 * (see leaseRescue.ts, listener.ts, chores.ts).
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Chores as Found } from "../sql/chores.ts"
import { failureKindOf } from "../sql/errors.ts"
import type { Chores } from "./chores.ts"
import type { Claimable } from "./pauses.ts"
import type { LookRow } from "../sql/lease.ts"
import { look, type LookOptions, type Outlook } from "../sql/look.ts"
import type { Rescue } from "./leaseRescue.ts"
import type { Listener } from "./listener.ts"
import type { Quarantine } from "./quarantine.ts"

export interface PollOptions {
  readonly sql: SqlClient
  readonly pauses: Claimable
  readonly now: () => number
  readonly rescue: Rescue
  readonly chores: Chores
  readonly quarantine: Pick<Quarantine, "seen">
  readonly listener: Listener | undefined
}

export class Poll {
  private readonly options: PollOptions

  constructor(options: PollOptions) {
    this.options = options
  }

  /** What is next among the rows that are (or were) due at `start` or later, and before `horizon`. */
  look(start: number | undefined, horizon: number): Effect.Effect<Outlook, SqlError> {
    return Effect.suspend(() => {
      const { chores, listener, pauses, rescue } = this.options
      const outlook = { tasks: pauses.claimable, start, horizon }
      const more = { leases: rescue.takeShared(), chores: chores.takeShared() }
      const plain = { outlook, leases: undefined, chores: undefined, notification: listener?.nextProbe() }
      if (more.leases === undefined && more.chores === undefined) return this.send(plain)
      const onFailure = (error: SqlError) => {
        if (more.leases !== undefined) rescue.lookApart()
        // What was asked along may have been too much for a statement timeout.
        return failureKindOf(error) === "Lock" ? this.send(plain) : Effect.fail(error)
      }
      return this.send({ ...plain, ...more }).pipe(Effect.catch(onFailure))
    })
  }

  private send(options: LookOptions): Effect.Effect<Outlook, SqlError> {
    const { chores, now, quarantine, rescue, sql } = this.options
    const startedAt = now()
    return Effect.map(look(sql, options), (rows) => {
      if (options.leases !== undefined) rescue.looked(rows as ReadonlyArray<LookRow>, now() - startedAt)
      if (options.chores !== undefined) chores.answered(rows[0] as Found, now() - startedAt)
      const next = rows[0] as Outlook
      quarantine.seen(next.quarantined)
      return next
    })
  }
}

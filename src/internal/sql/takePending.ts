/** Outcomes of attempts whose rows are to be replaced: `replace` was called while they ran. See `pending.ts`. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { TaskId } from "../../TaskId.ts"
import { failureKindOf } from "./errors.ts"
import { type HistoryEntry, historyParams, recordAll } from "./history.ts"
import { hasKeyOf, query, type Rows } from "./query.ts"
import { anyTransition, nextTransitionSql } from "./transitions.ts"
import { inboxWithout } from "./waits.ts"

/** The fence of an attempt. The row loses the signal `taken`. */
interface Fence {
  readonly id: TaskId
  readonly token: string
  readonly n: number
  readonly taken?: number
}

/** A row whose attempt has ended, or of which that is not known: see `StoredRow`. */
interface Settled {
  readonly id: TaskId
  readonly replaced?: true
  readonly unsettled?: true
}

interface Options {
  readonly locks: string
  readonly again?: boolean | undefined
  readonly history: ReadonlyArray<HistoryEntry> | undefined
}

/**
 * Ends the attempts of rows with a pending state: a trigger gives it its place. It is a statement of its own, because no
 * part of one statement sees what another part has just met: with both in one, a row that was replaced meanwhile was
 * left running until its lease expired.
 */
const takePendingText = (locks: string) =>
  `with f as materialized (
  select * from unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[]) as f(id, token, n, taken)
  where ${locks} and ${anyTransition}
), taken as (
  update pg_task t set is_running = false, lease_token = null, lease_until = null, updated_at = now(),
    inbox = case when f.taken < 0 or t.transitions <> f.n then t.inbox else ${inboxWithout("f.taken")} end
  from f where ${hasKeyOf("t.id", "f.id")} and t.lease_token = f.token and t.transitions in (f.n, ${
    nextTransitionSql("f.n")
  })
    and t.pending is not null
  returning t.id
)`

const taken = "select id, true as replaced from taken"

const takePending = (
  sql: SqlClient,
  fences: ReadonlyArray<Fence>,
  { again = false, history, locks }: Options
): Rows<Settled> =>
  query(sql, takePendingText(locks) + (history === undefined ? `\n${taken}` : recordAll(taken, 5)), [
    fences.map(({ id }) => id),
    fences.map(({ token }) => token),
    fences.map(({ n }) => n),
    // Not null: drivers can't tell the type of an array of nulls.
    fences.map(({ taken }) => taken ?? -1),
    ...historyParams(history, again)
  ])

/**
 * What was stored, and those of the refused rows that have a pending state. What the first statement has stored is
 * stored, whatever becomes of the second one: if that is refused, its rows are to be sent again.
 */
export const withPending = <Stored extends Settled>(
  sql: SqlClient,
  stored: ReadonlyArray<Stored>,
  refused: ReadonlyArray<Fence>,
  options: Options
): Rows<Stored | Settled> =>
  refused.length === 0
    ? Effect.succeed(stored)
    : Effect.matchEffect(takePending(sql, refused, options), {
      onFailure: (error) =>
        stored.length === 0 || failureKindOf(error) === "Database"
          ? Effect.fail(error)
          : Effect.succeed([...stored, ...refused.map(({ id }): Settled => ({ id, unsettled: true }))]),
      onSuccess: (taken) => Effect.succeed([...stored, ...taken])
    })

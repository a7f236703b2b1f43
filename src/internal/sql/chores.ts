/**
 * What no event tells a worker: work that a crash has left undone, and rows and notes whose time is over. One look asks
 * whether there is any, and reads no more than the looks which do the work.
 */
import { isForgotten } from "./children.ts"
import { isAtDoor } from "./limitSchema.ts"
import type { Params } from "./params.ts"
import { isExpired } from "./results.ts"

/** Whether there is any, of each kind. */
export interface Chores {
  /** Results whose time is over. */
  readonly expired: boolean
  /** Parents whose children have ended, and that were not told. */
  readonly forgotten: boolean
  /** Notes of keys of limits. The size of the table tells: a role needs no right for that. */
  readonly notes: boolean
  /** Rows of these tasks that wait for a slot. */
  readonly atDoor: boolean
}

export const choresOf = ({ add }: Params, tasks: ReadonlyArray<string>): string =>
  `select exists (select from pg_task t where ${isExpired}) as expired,
  exists (select from pg_task p where ${isForgotten}) as forgotten,
  coalesce(pg_relation_size(to_regclass('pg_task_limit')), 0) > 0 as notes,
  exists (select from pg_task where task = any(${add(tasks)}::text[]) and ${isAtDoor}) as "atDoor"`

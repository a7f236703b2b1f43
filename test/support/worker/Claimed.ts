/** Claimed rows that were never in a table: for what a worker does with them in memory. */
import { ClaimedTask } from "../../../src/internal/attempt/claimedTask.ts"
import type { ClaimedRow } from "../../../src/internal/sql/claim.ts"
import type { TaskId } from "../../../src/TaskId.ts"

export const claimedRow = (row: Partial<ClaimedRow> = {}): ClaimedRow => ({
  id: crypto.randomUUID() as TaskId,
  step: "{}",
  bytes: 2,
  tried: 0,
  transitions: 0,
  crashes: 0,
  trace: null,
  facts: null,
  due: 0,
  waited: 0,
  ...row
})

/** One that a worker has got at `now`, by its local clock in milliseconds. */
export const claimedTask = (row: Partial<ClaimedRow> = {}, now = 0): ClaimedTask =>
  new ClaimedTask(claimedRow(row), "token", now)

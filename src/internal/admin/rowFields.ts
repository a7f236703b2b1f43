/** A row of the table with the types of `Admin.Row`. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import type { TaskId } from "../../TaskId.ts"
import type { AdminRow } from "../sql/row.ts"

const momentOrNull = (millis: number | null) => millis === null ? null : DateTime.makeUnsafe(millis)

export const rowFields = ({ age, position: _, ...row }: AdminRow) => ({
  ...row,
  wakeupAt: DateTime.makeUnsafe(row.wakeupAt),
  createdAt: DateTime.makeUnsafe(row.createdAt),
  updatedAt: DateTime.makeUnsafe(row.updatedAt),
  leaseUntil: momentOrNull(row.leaseUntil),
  endedAt: momentOrNull(row.endedAt),
  keptUntil: momentOrNull(row.keptUntil),
  since: DateTime.makeUnsafe(row.since),
  age: Duration.millis(Math.round(age)),
  id: row.id as TaskId,
  parent: row.parent as TaskId | null
})

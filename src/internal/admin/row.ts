/** A row as `Admin.Row` has it. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import type { AdminRow } from "../sql/row.ts"

const momentOrNull = (millis: number | null) => millis === null ? null : DateTime.makeUnsafe(millis)

/** The fields of an `Admin.Row`. */
export const fieldsOf = ({ age, position: _, ...row }: AdminRow) => ({
  ...row,
  wakeupAt: DateTime.makeUnsafe(row.wakeupAt),
  createdAt: DateTime.makeUnsafe(row.createdAt),
  updatedAt: DateTime.makeUnsafe(row.updatedAt),
  leaseUntil: momentOrNull(row.leaseUntil),
  endedAt: momentOrNull(row.endedAt),
  keptUntil: momentOrNull(row.keptUntil),
  waitUntil: momentOrNull(row.waitUntil),
  since: DateTime.makeUnsafe(row.since),
  age: Duration.millis(Math.round(age))
})

/** Claims behind rows that other sessions hold: one goes on where the last one has ended. */
import { type Position, positionAt } from "../sql/claim.ts"

/** How far they have come. */
export interface Pass {
  readonly position: Position
  /** Where it has begun: undefined for all rows. */
  readonly from: number | undefined
  /** How long its statements took, in milliseconds. */
  readonly took: number
}

export const startOfPass = (from: number | undefined): Pass => ({ position: positionAt(from), from, took: 0 })

/** How many steps a task has taken, as its row counts them. */
import { forceKeyLookup } from "./query.ts"

/** The greatest `int`. A chain that runs for months may reach it: then the count begins again at 1. */
export const maxTransitions = 2147483647

export const nextTransition = (n: number): number => n % maxTransitions + 1

/** {@link nextTransition} as SQL. */
export const nextTransitionSql = (n: string): string => `(${n} % ${maxTransitions} + 1)`

/** Always true of a column `n` that holds such a number: see `forceKeyLookup`. */
export const anyTransition = forceKeyLookup("n", "0", String(maxTransitions))

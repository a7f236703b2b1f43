/** How many steps a task has taken, as its row counts them. */

/** What an `int` holds. A chain that runs for months gets there: the count then begins anew. */
export const maxTransitions = 2147483647

export const nextTransition = (n: number): number => n % maxTransitions + 1

/** {@link nextTransition} as SQL. */
export const nextTransitionSql = (n: string): string => `(${n} % ${maxTransitions} + 1)`

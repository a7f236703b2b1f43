/** Which rows are due, in the words of the index that finds them. */
import { isOpen } from "./foundation.ts"

/** The condition of the index of due rows. Each query that is to use the index must contain it, in the same words. */
export const unparked = `error is null and ${isOpen}`

/**
 * A row that may be claimed, once it is due. The index of due rows holds the running ones, too: so a claim changes no
 * column of any index, and is a heap-only update.
 *
 * `crashes < 1` in place of `= 0`: without statistics the planner assumes that few rows meet an equality. Then it reads
 * and sorts all rows of the index, instead of reading the first ones in the index's order.
 */
export const ready = `not is_running and ${unparked} and crashes < 1`
export const quarantined = `${unparked} and crashes > 0 and not is_running`

/**
 * The first rows in the order of an index. If the planner knew the limit, it might believe that there are fewer rows
 * than that, because it has no statistics: then it would read and sort all of them. It doesn't know the value of a
 * subquery, so it plans for a part of the rows.
 */
export const firstByDue = (limit: string) => `order by wakeup_at limit (select (${limit})::int8)`

/**
 * Which states a worker knows. It claims no row in any other state: a worker of another build wrote that row, and this
 * one could not decode it.
 */
import type { SqlClient } from "effect/sql/SqlClient"
import { firstByDue, ready } from "./due.ts"
import { query, type Rows } from "./query.ts"

/** A task, and the tags of its states that may be claimed, former ones too. */
export interface KnownTask {
  readonly name: string
  /** Undefined: rows in any state. */
  readonly states: ReadonlyArray<string> | undefined
}

/**
 * Whether a row's `state` is one of an array of tags. Rows without a state are malformed: they are claimed, too, to be
 * parked. Null in place of the array stands for any state.
 *
 * The planner must not believe that few rows fit: it would read and sort all rows of the index, in place of reading the
 * first ones in the index's order. It knows how many different states there are, so it is not asked about them, but
 * whether an expression is null, which it takes to be rare.
 */
export const isKnown = (tags: string): string => `nullif(coalesce(state = any(${tags}), true), false) is not null`

/** The tags as a parameter. */
export const tagsOf = ({ states }: KnownTask): ReadonlyArray<string> | null => states ?? null

/** The tags as the text of a Postgres array: for an array of these, whose lengths may differ. */
const tagsText = ({ states }: KnownTask): string | null =>
  states === undefined ? null : `{${states.map((tag) => `"${tag.replace(/["\\]/g, "\\$&")}"`).join(",")}}`

/** The names of tasks, and the tags of each, as two parameters: {@link knownTasks} reads them. */
export const namesAndTags = (tasks: ReadonlyArray<KnownTask>) =>
  [tasks.map(({ name }) => name), tasks.map(tagsText)] as const

/** As `n(task, tags)`. The tags are parsed once for each task: without the offset, once for each row. */
export const knownTasks = (names: string, tags: string): string =>
  `(select u.task, u.tags::text[] as tags from unnest(${names}::text[], ${tags}::text[]) as u(task, tags) offset 0) n`

/** No text of Postgres can hold NUL, nor half a surrogate pair: rows with such a tag have no `state`. */
const unstorable = /[\0\uD800-\uDFFF]/u

/** A tag that every encoding can hold, and that needs no escapes in JSON. */
const plain = /^[ !#-[\]-~]*$/

/**
 * In a database whose encoding isn't UTF-8, `state` keeps the escapes of characters that the database can't hold. So
 * rows of a task with other tags than plain ones are claimed in any state there.
 */
export const knownTask = (name: string, tags: ReadonlyArray<string>, encoding: string): KnownTask => {
  const storable = tags.filter((tag) => !unstorable.test(tag))
  return { name, states: encoding === "UTF8" || storable.every((tag) => plain.test(tag)) ? storable : undefined }
}

/** Rows in a state that a worker doesn't know. */
export interface UnknownState {
  readonly task: string
  readonly state: string
  readonly count: number
}

/** Counts what is due in states that are not known. Reads the first `limit` ready rows of each task at most. */
export const unknownStates = (
  sql: SqlClient,
  { limit, tasks }: { readonly tasks: ReadonlyArray<KnownTask>; readonly limit: number }
): Rows<UnknownState> =>
  query(
    sql,
    `select n.task, d.state, count(*)::float8 as count from ${knownTasks("$1", "$2")} cross join lateral (
  select state from pg_task p where p.task = n.task and ${ready} and wakeup_at <= now() ${firstByDue("$3")}
) d where d.state <> all(n.tags) group by 1, 2 order by 1, 2`,
    [...namesAndTags(tasks), limit]
  )

/**
 * Children: rows whose `parent` waits for them. No counter: whoever has ended a child looks, after its commit, whether
 * another one is still open. Of the last two that end, the later one sees none.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { query, queryAlone, type Rows } from "./query.ts"
import { maxStep } from "./schema.ts"

/** What a row waits for that waits for its children: to end, or to end or be parked. */
export const childrenTag = "$children"
export const settledTag = "$settled"

const joins = `'{${childrenTag},${settledTag}}'::text[]`

/** The minute's look reads it. Only rows that wait for children have an entry. */
export const createJoinIndex: ReadonlyArray<string> = [
  `create index if not exists pg_task_join_idx on pg_task (id) where waits_for && ${joins}`
]

/**
 * Whoever has ended some of many children looks whether one is still open, again and again: without this index, each look
 * would read all that have ended before. Neither a claim nor `NextStep.now` changes what it holds.
 */
export const createOpenChildIndex =
  "create index if not exists pg_task_open_child_idx on pg_task (parent) where parent is not null and ended_at is null"

const maxRows = 5000

const inParts = <A>(
  all: ReadonlyArray<A>,
  send: (part: ReadonlyArray<A>) => Effect.Effect<unknown, SqlError>
): Effect.Effect<void, SqlError> =>
  Effect.suspend(() => {
    const parts = Array.from(
      { length: Math.ceil(all.length / maxRows) },
      (_, n) => all.slice(n * maxRows, (n + 1) * maxRows)
    )
    return Effect.forEach(parts, send, { discard: true })
  })

export interface NewChild {
  readonly id: string
  readonly step: string
}

/** Stores children. In the transaction that stores the state which holds them. */
export const insertChildren = (
  sql: SqlClient,
  parent: string,
  children: ReadonlyArray<NewChild>,
  trace: string | null
): Effect.Effect<void, SqlError> =>
  inParts(children, (part) =>
    query(
      sql,
      `insert into pg_task (id, step, parent, trace)
select i.id, i.step, $3::uuid, $4 from unnest($1::uuid[], $2::text[]) with ordinality as i(id, step, n) order by i.n`,
      [part.map(({ id }) => id), part.map(({ step }) => step), parent, trace]
    ))

/** Takes the parent from children that no state of it holds any more. With `onlyOpen`, not from those that have ended. */
export const detachChildren = (
  sql: SqlClient,
  ids: ReadonlyArray<string>,
  onlyOpen: boolean
): Effect.Effect<void, SqlError> =>
  inParts(ids, (part) =>
    query(
      sql,
      `update pg_task set parent = null, updated_at = now()
where id = any($1::uuid[]) and (ended_at is null or not $2::bool)`,
      [part, onlyOpen]
    ))

export interface ChildState {
  readonly id: string
  /** Null if it is too long to be read. */
  readonly raw: string | null
  readonly ended: boolean
  readonly error: string | null
}

/** Whether one of these children is still open. */
export const hasOpenChild = (
  sql: SqlClient,
  ids: ReadonlyArray<string>,
  parkedIsOpen: boolean
): Effect.Effect<boolean, SqlError> =>
  Effect.map(
    queryAlone<{ open: boolean }>(
      sql,
      `select exists (
  select from pg_task where id = any($1::uuid[]) and ended_at is null and (error is null or $2)
) as open`,
      [ids, parkedIsOpen]
    ),
    (rows) => rows[0]!.open
  )

/** Those of these children that are there: also if their time as results is over, as long as no one has deleted them. */
export const readChildren = (sql: SqlClient, ids: ReadonlyArray<string>): Rows<ChildState> =>
  queryAlone(
    sql,
    `select id, case when octet_length(step) <= ${maxStep} then step end as raw, ended_at is not null as ended, error
from pg_task where id = any($1::uuid[])`,
    [ids]
  )

const openChild = (condition: string) =>
  `exists (select from pg_task c where c.parent = p.id and c.ended_at is null${condition})`

/** Whether the children of `p` let it go on. A parked child is waited for, unless `p` waits for what is settled. */
const mayGoOn = `not ${openChild(" and c.error is null")}
  and (p.waits_for is null or p.waits_for @> '{${settledTag}}' or not ${openChild("")})`

/**
 * Tells those of these parents that have no open child any more. Whatever a parent does, `wakes` is raised: so one that
 * is about to wait sees it. One that waits becomes due. Called after the commit that has ended a child.
 */
export const wakeParents = (sql: SqlClient, parents: ReadonlyArray<string>): Effect.Effect<void, SqlError> =>
  Effect.asVoid(queryAlone(
    sql,
    `update pg_task p set wakes = p.wakes + 1, updated_at = now(),
  wakeup_at = case when p.waits_for && ${joins} and not p.is_running then least(p.wakeup_at, now()) else p.wakeup_at end
where p.id = any($1::uuid[]) and p.ended_at is null and ${mayGoOn}`,
    [parents]
  ))

/** Whether `p` waits for children, and has no open one: a crash came between a commit and what follows it. */
export const isForgotten = `p.waits_for && ${joins} and p.ended_at is null and not p.is_running
  and p.wakeup_at > now() and ${mayGoOn}`

/** The parents that nobody has told. */
export const findForgotten = (sql: SqlClient): Rows<{ readonly id: string }> =>
  queryAlone(sql, `select p.id from pg_task p where ${isForgotten}`, [])

/** Everything that the oracle of waiting tasks looks at, read at the end of a round. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { persist } from "../EffectTables.ts"
import type { Read } from "./JoinTables.ts"

export interface Heard {
  readonly talk: string
  readonly n: number
  readonly key: string
  readonly attempt: number
}

export interface Joined {
  readonly node: string
  readonly event: string
  readonly open: number
  readonly results: ReadonlyArray<Read>
}

/** A row that has ended: its state, and the signals that it never took. */
export interface Ended {
  readonly id: string
  readonly fields: Record<string, unknown>
  readonly left: ReadonlyArray<number>
}

/** Values by a name that several may share. */
export type Groups<A> = ReadonlyMap<string, ReadonlyArray<A>>

export interface JoinEvidence {
  /** The row of each plan that was enqueued. */
  readonly enqueued: ReadonlyMap<string, string>
  readonly sent: ReadonlyMap<number, "sent" | "refused" | "unsure">
  readonly heard: Groups<Heard>
  readonly took: Groups<number>
  readonly grew: Groups<{ readonly task: string; readonly attempt: number }>
  readonly values: Groups<string>
  readonly joined: Groups<Joined>
  readonly felled: ReadonlySet<string>
  /** By their ids. */
  readonly ended: ReadonlyMap<string, Ended>
  /** What those who awaited them were given, by plan. */
  readonly awaited: ReadonlyMap<string, unknown>
}

/** Items by a name. */
export const group = <A, B>(items: ReadonlyArray<A>, name: (item: A) => string, value: (item: A) => B): Groups<B> => {
  const groups = new Map<string, Array<B>>()
  for (const item of items) groups.set(name(item), [...(groups.get(name(item)) ?? []), value(item)])
  return groups
}

const readEnded = (sql: SqlClient.SqlClient) =>
  persist(sql<{ id: string; step: string; left: ReadonlyArray<number> }>`select id::text, step,
    array(select (s -> 'value' ->> 'n')::int from jsonb_path_query(inbox, '$.signals[*]') s
      where s -> 'value' ->> 'n' is not null) as left
    from pg_task where ended_at is not null and task like 'Beside%'`)

const fieldsOf = (step: string) => {
  const [state] = Object.values(JSON.parse(step) as Record<string, Record<string, Record<string, unknown>>>)
  return Object.values(state!)[0]!
}

export const gatherJoins = (
  sql: SqlClient.SqlClient,
  awaited: ReadonlyMap<string, unknown>
): Effect.Effect<JoinEvidence> =>
  Effect.gen(function*() {
    const enqueued = yield* persist(sql<{ id: string; task: string }>`select id, task::text from join_enqueued`)
    const sent = yield* persist(sql<{ n: number; outcome: "sent" | "refused" | "unsure" }>`select * from signal_sent`)
    const heard = yield* persist(sql<Heard>`select * from signal_heard`)
    const took = yield* persist(sql<{ talk: string; n: number }>`select * from signal_took`)
    const grew = yield* persist(
      sql<{ node: string; task: string; attempt: number }>`select node, task::text, attempt from tree_grew`
    )
    const values = yield* persist(sql<{ node: string; value: string }>`select * from tree_value`)
    const joined = yield* persist(sql<Joined>`select * from tree_joined`)
    const felled = yield* persist(sql<{ node: string }>`select node from tree_felled`)
    const ended = yield* readEnded(sql)
    return {
      enqueued: new Map(enqueued.map(({ id, task }) => [id, task])),
      sent: new Map(sent.map(({ n, outcome }) => [n, outcome])),
      heard: group(heard, ({ talk }) => talk, (one) => one),
      took: group(took, ({ talk }) => talk, ({ n }) => n),
      grew: group(grew, ({ node }) => node, (one) => one),
      values: group(values, ({ node }) => node, ({ value }) => value),
      joined: group(joined, ({ node }) => node, (one) => one),
      felled: new Set(felled.map(({ node }) => node)),
      ended: new Map(ended.map(({ id, left, step }) => [id, { id, left, fields: fieldsOf(step) }])),
      awaited
    }
  })

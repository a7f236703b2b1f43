/** The tables by which the oracle sees what tasks that wait have sent, taken, spawned and read. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { persist } from "../EffectTables.ts"

export const createJoinTables: ReadonlyArray<string> = [
  "create table join_plan (id text primary key, producer int not null, content text not null)",
  // The task of a plan is in the table, under this id.
  "create table join_enqueued (id text primary key, task uuid not null)",
  // Of each signal: whether it arrived, was refused, or may have arrived before it was refused.
  "create table signal_sent (n int primary key, outcome text not null)",
  // The key of each attempt that got it.
  "create table signal_heard (talk text not null, n int not null, key text not null, attempt int not null)",
  // Those that a transaction took, together with the move.
  "create table signal_took (talk text not null, n int not null)",
  // The row of each task of a tree.
  "create table tree_grew (node text not null, task uuid not null, attempt int not null)",
  // What it came to, committed together with its end.
  "create table tree_value (node text not null, value text not null)",
  // What it read of its children, and how many of them were open at that moment.
  "create table tree_joined (node text not null, event text not null, open int not null, results jsonb not null)",
  // Deleted by hand.
  "create table tree_felled (node text primary key)"
]

export const emptyJoinTables =
  "truncate join_plan, join_enqueued, signal_sent, signal_heard, signal_took, tree_grew, tree_value, tree_joined, tree_felled"

/** What a parent read of one child. */
export interface Read {
  readonly node: string
  readonly tag: "Ended" | "Parked" | "Gone"
  readonly value: string
}

/** What steps note on a connection of their own, outside of their transactions. */
export interface JoinNotes {
  readonly heard: (talk: string, n: number, key: string, attempt: number) => Effect.Effect<void>
  readonly grew: (node: string, task: string, attempt: number) => Effect.Effect<void>
  readonly isFixed: Effect.Effect<boolean>
}

export const makeJoinNotes = (observer: SqlClient.SqlClient): JoinNotes => ({
  heard: (talk, n, key, attempt) =>
    Effect.asVoid(persist(
      observer`insert into signal_heard values (${talk}, ${n}::int, ${key}, ${attempt}::int)`
    )),
  grew: (node, task, attempt) =>
    Effect.asVoid(persist(observer`insert into tree_grew values (${node}, ${task}::uuid, ${attempt}::int)`)),
  isFixed: Effect.map(persist(observer<{ fixed: boolean }>`select fixed from world`), (rows) => rows[0]!.fixed)
})

/** A part of the caller's transaction. */
type Part = Effect.Effect<unknown, SqlError>

export const noteTook = (sql: SqlClient.SqlClient, talk: string, n: number): Part =>
  sql`insert into signal_took values (${talk}, ${n}::int)`

/** Returns nothing if the signal was noted before. */
export const noteSent = (sql: SqlClient.SqlClient, n: number, outcome: "sent" | "refused" | "unsure") =>
  sql`insert into signal_sent values (${n}::int, ${outcome}) on conflict do nothing returning n`

export const noteValue = (sql: SqlClient.SqlClient, node: string, value: string): Part =>
  sql`insert into tree_value values (${node}, ${value})`

/** Counts the open children in the same transaction. Parked ones are not open to whom waits for settled ones. */
export const noteJoined = (
  sql: SqlClient.SqlClient,
  { event, id, node, results }: {
    readonly node: string
    readonly id: string
    readonly event: "children" | "settled" | "timeout"
    readonly results: ReadonlyArray<Read>
  }
): Part =>
  sql`insert into tree_joined select ${node}, ${event}, count(*), ${JSON.stringify(results)}::jsonb from pg_task
    where parent = ${id}::uuid and ended_at is null and (error is null or ${event} <> 'settled')`

/** The tables by which the oracle sees which limited steps were at work, and when. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { persist } from "../Persist.ts"
import { createDoorLog } from "./DoorLog.ts"
import type { Still } from "./Still.ts"

export const createLimitTables: ReadonlyArray<string> = [
  "create table limit_enqueued (plan text primary key)",
  // Their rows were deleted by hand.
  "create table limit_gone (plan text primary key)",
  // Their rows were parked or moved by hand, or given another key.
  "create table limit_touched (plan text primary key)",
  // `slotless`: the row was running in this attempt, and held no slot of the key. `young`: the server had just started.
  // `started`: by the clock of its process, at its very beginning.
  `create table limit_run (run uuid primary key, plan text not null, seq int not null, key text, slotless boolean not null,
    young boolean not null, task uuid not null, transitions int not null, attempt int not null, started float8 not null,
    began timestamptz not null default clock_timestamp(), ended timestamptz)`,
  // Steps have let these back off.
  `create table limit_still (run uuid primary key, name text not null, since float8 not null, until float8 not null)`,
  ...createDoorLog
]

export const emptyLimitTables =
  "truncate limit_enqueued, limit_gone, limit_touched, limit_run, limit_still, limit_door, pg_task_paused"

/** One run of a step. */
export interface LimitRun {
  readonly run: string
  readonly plan: string
  readonly seq: number
  /** The `limit_key` that its row must have. Null: none. */
  readonly key: string | null
  /** In milliseconds since 1970. */
  readonly started: number
}

/** The row of an attempt. */
export interface AttemptRow {
  readonly id: string
  readonly transitions: number
  readonly attempt: number
}

/** What steps note on a connection of their own. */
export interface LimitNotes {
  readonly began: (run: LimitRun, row: AttemptRow) => Effect.Effect<void>
  readonly ended: (run: string) => Effect.Effect<void>
  readonly backedOff: (run: string, still: Still) => Effect.Effect<void>
  /** The true time. */
  readonly now: () => number
}

export const makeLimitNotes = (observer: SqlClient.SqlClient, now: () => number): LimitNotes => ({
  now,
  began: ({ key, plan, run, seq, started }, { attempt, id, transitions }) =>
    Effect.asVoid(persist(
      observer`insert into limit_run (run, plan, seq, key, slotless, young, task, transitions,
          attempt, started)
        select ${run}::uuid, ${plan}, ${seq}::int, ${key}::text,
          ${key}::text is not null and exists (
            select from pg_task t where t.id = ${id}::uuid and t.is_running and t.error is null
              and t.transitions = ${transitions}::int and t.tried = ${attempt}::int - 1
              and (t.limit_key is distinct from ${key}::text or coalesce(t.slot, 0) = 0)
          ),
          clock_timestamp() < pg_postmaster_start_time() + interval '10 seconds',
          ${id}::uuid, ${transitions}::int, ${attempt}::int, ${started}::float8
        on conflict do nothing`
    )),
  ended: (run) =>
    Effect.asVoid(persist(
      observer`update limit_run set ended = clock_timestamp() where run = ${run}::uuid and ended is null`
    )),
  backedOff: (run, { name, since, until }) =>
    Effect.asVoid(persist(
      observer`insert into limit_still select ${run}::uuid, ${name}, ${since}::float8, ${until}::float8
        on conflict do nothing`
    ))
})

/** Rows that somebody edits, deletes and inserts by hand. */
import { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import type { SqlError } from "effect/sql/SqlError"
import { persist } from "./EffectTables.ts"
import type { Fault } from "./FaultContext.ts"

/** A statement on a few rows, chosen by a number that is the same for the same seed. */
const edit =
  (statement: (sql: SqlClient.SqlClient, seed: string, rows: number) => Effect.Effect<unknown, SqlError>): Fault =>
  (world, random) => Effect.asVoid(persist(statement(world.sql, String(random.int(0, 1e9)), random.int(1, 10))))

/**
 * Somebody takes running rows away, for a while or at once. The outcome of one may be stored meanwhile: it is asked again
 * whether it runs, so that no row that has ended gets a lease.
 */
const steal = edit((sql, seed, rows) =>
  sql`update pg_task set lease_token = gen_random_uuid(), lease_until = now() + interval '1 second' where is_running and id in (
    select id from pg_task where is_running order by md5(id::text || ${seed}) limit ${rows}::int)`
)

const free = edit((sql, seed, rows) =>
  sql`update pg_task set is_running = false, lease_token = null, lease_until = null,
      wakeup_at = wakeup_at - interval '1 millisecond'
    where is_running and id in (select id from pg_task where is_running order by md5(id::text || ${seed}) limit ${rows}::int)`
)

const lapse = edit((sql, seed, rows) =>
  sql`update pg_task set lease_until = now() - interval '1 second' where is_running and id in (
    select id from pg_task where is_running order by md5(id::text || ${seed}) limit ${rows}::int)`
)

/** Not schedules: they would have ticks that are none of theirs. */
const hurry = edit((sql, seed, rows) =>
  sql`update pg_task set wakeup_at = now() where id in (
    select id from pg_task where error is null and not is_running and state is distinct from '$schedule' order by md5(id::text || ${seed}) limit ${rows}::int)`
)

const clear = edit((sql, seed, rows) =>
  sql`update pg_task set error = null where id in (
    select id from pg_task where error is not null order by md5(id::text || ${seed}) limit ${rows}::int)`
)

/** In one statement with a note of it, so that the oracle knows. */
const cancel = edit((sql, seed, rows) =>
  sql`with gone as (
    delete from pg_task where id in (
      select id from pg_task where step ~ '"plan": ?"c' order by md5(id::text || ${seed}) limit ${rows}::int)
    returning id, substring(step from '"plan": ?"([^"]+)"') as plan
  ), noted as (insert into cancelled select plan from gone on conflict do nothing)
  select pg_notify('pg_task_changed', 'cancel ' || id) from gone`
)

/** Leaves whose parents can go on without them: in one statement with a note of it. Nobody tells their parents. */
const fell = edit((sql, seed, rows) =>
  sql`with gone as (
    delete from pg_task where id in (
      select id from pg_task where task = 'BesideLeaf' and parent is not null and ended_at is null
        and step ~ '"node": ?"[^"]+x"' order by md5(id::text || ${seed}) limit ${rows}::int)
    returning substring(step from '"node": ?"([^"]+)"') as node
  ) insert into tree_felled select node from gone on conflict do nothing`
)

const deep = `{"Journey":{"Free":${"[".repeat(500)}${"]".repeat(500)}}}`

/** Rows of known tasks, or of none, that nobody can decode. */
const malformed = [
  "",
  "not JSON",
  "null",
  "[]",
  "{}",
  "\"Journey\"",
  `{"Journey":{}}`,
  `{"Journey":{"Free":{}}}`,
  `{"Journey":{"Free":null}}`,
  `{"Errand":{"Bound":{"plan":1,"seq":0,"round":1,"ops":[]}}}`,
  `{"Journey":{"Free":{"plan":"x","seq":0,"round":1,"ops":[{"kind":"nope"}]}}}`,
  `{"Journey":{"Free":{}},"Errand":{}}`,
  `{"\\u0000":{"Free":{}}}`,
  `  { "Journey" : { "Free" : [ ] } }  `,
  `{"Errand":{"Free":{"plan":"${"long ".repeat(100_000)}"}}}`,
  deep
]

/** Rows of tasks, and in states, that no worker here knows. */
const foreign = [
  `{"Journey":{"Nope":{}}}`,
  `{"Foreign":{"State":{}}}`,
  `{"journey":{"Free":{}}}`,
  `{"Journey ":{"Free":{"x":1}}}`
]

const garbage: Fault = ({ sql }, random) => {
  const parked = random.chance(0.8)
  const step = random.pick(parked ? malformed : foreign)
  return Effect.asVoid(persist(
    sql`with made as (insert into pg_task (step) values (${step}) returning id)
      insert into garbage select id, ${parked}::boolean from made`
  ))
}

export const rowFaults = { steal, free, lapse, hurry, clear, cancel, fell, garbage }

/**
 * Notes each slot and each moment that the database gives, with the time before and after: in the functions that give
 * them, so that no busy machine is taken for a defect.
 */
import type { Effect } from "effect"
import type { SqlClient } from "effect/sql"
import { persist } from "../Persist.ts"

/** A row has got a slot, or a moment to start. Its times are in milliseconds since 1970, by Postgres's clock. */
export interface Given {
  readonly what: "slot" | "moment"
  readonly task: string
  readonly transitions: number
  readonly attempt: number
  readonly key: string
  /** It was given after this. */
  readonly began: number
  /** And before this. */
  readonly ended: number
  /** When the next start of the key is due from then on, if starts are spread evenly. Null: it has no rate. */
  readonly next: number | null
}

/** Puts a function of the same name around one of the library's, with a condition that is true and makes a note. */
const wrap = (name: string, condition: string) =>
  `do $do$
declare
  f record;
begin
  select oid::regprocedure as signature, pg_get_function_arguments(oid) as arguments, pg_get_function_result(oid) as result,
    (select string_agg('$' || n, ', ') from generate_series(1, pronargs) n) as passed
    into strict f from pg_proc where proname = '${name}';
  execute 'alter function ' || f.signature || ' rename to ${name}_itself';
  execute 'create function ${name}(' || f.arguments || ') returns ' || f.result || ' language plpgsql as $$
declare
  before constant timestamptz := clock_timestamp();
begin
  return query select a.* from ${name}_itself(' || f.passed || ') a where ${condition.replaceAll("'", "''")};
end $$';
end $do$`

export const createDoorLog: ReadonlyArray<string> = [
  `create table limit_door (what text not null, task uuid not null, transitions int not null, attempt int not null,
    key text not null, began timestamptz not null, ended timestamptz not null,
    next_at timestamptz)`,
  // A function of its own sees what has just been changed.
  `create function limit_note(given text, of uuid, before timestamptz) returns boolean language plpgsql as $$
begin
  insert into limit_door select given, t.id, t.transitions, t.tried + 1, t.limit_key, before, clock_timestamp(),
      l.next_at from pg_task t left join pg_task_limit l on l.key = t.limit_key where t.id = of;
  return true;
end $$`,
  wrap("pg_task_give", "limit_note('slot', a.id, before)"),
  wrap("pg_task_begin", "a.state <> 'in' or limit_note('moment', a.id, before)")
]

const millis = (time: string) => `(extract(epoch from ${time}) * 1000)::float8`

export const readDoorLog = (sql: SqlClient.SqlClient): Effect.Effect<ReadonlyArray<Given>> =>
  persist(sql.unsafe<Given>(
    `select what, task::text, transitions, attempt, key, ${millis("began")} as began, ${millis("ended")} as ended,
      ${millis("next_at")} as next from limit_door order by limit_door.began`
  ))

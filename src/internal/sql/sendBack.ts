/** Rows that hold a slot and don't run go back to the door, because their limit is paused, or backs off. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { declarePatience, endBrief, isAtDoor, isOpen, knocks } from "./limitSchema.ts"
import { query } from "./query.ts"
import { isInTransaction } from "./transact.ts"

/** The locks of more keys than these are never held together: the server has room for some thousands only. */
const maxKeys = 500

/**
 * First it waits, for each key, until a session has ended that has begun to give its slots: what it gave is in the rows
 * then. After five seconds it fails. Without `wait` it takes no locks of keys.
 */
export const createSendBack: ReadonlyArray<string> = [
  "drop function if exists pg_task_send_back(text)",
  `create or replace function pg_task_send_back(keys text[], wait boolean) returns void language plpgsql as $$
declare
  ${declarePatience}
begin
  perform set_config('lock_timeout', '5s', true);
  perform pg_advisory_xact_lock(l.id) from (
    select distinct hashtextextended(u.key, 'pg_task'::regclass::oid::int8) as id from unnest(keys) as u(key)
    where wait order by 1
  ) l;
  update pg_task t set slot = null, updated_at = now()
  where t.slot > 0 and not t.is_running and ${isOpen} and t.ctid = any(array(
    select h.ctid from unnest(keys) as u(key) cross join lateral (
      select ctid from pg_task where limit_key = u.key and slot > 0 order by slot offset 0
    ) h
  ));
  ${endBrief}
end $$`,
  "grant execute on function pg_task_send_back(text[], boolean) to public"
]

const isOfLimit = "(limit_key = $1 or split_part(limit_key, ':', 1) = $1)"

/** The first key behind another one of which a row waits. */
const nextKey = (after: string) =>
  `least(
    (select limit_key from pg_task where ${isAtDoor} and limit_key > ${after} order by limit_key limit (select 1)),
    (select limit_key from pg_task where ${knocks} and limit_key > ${after} order by limit_key limit (select 1))
  )`

const heldKeys = `select distinct limit_key as key from pg_task where slot > 0 and ${isOfLimit}`

/** Also those of which rows wait: a session may be about to give them slots. */
const allKeys = `with recursive k as (
  select ${nextKey("''")} as limit_key
  union all select n.limit_key from k cross join lateral (select ${nextKey("k.limit_key")} as limit_key) n
  where k.limit_key is not null
) select limit_key as key from k where ${isOfLimit} union ${heldKeys}`

/**
 * `waits`: for the sessions that give slots now. In a transaction of the caller, which keeps all of its locks, it waits
 * for those of some keys only.
 */
export const sendBack = (
  sql: SqlClient,
  name: string,
  { waits }: { readonly waits: boolean }
): Effect.Effect<void, SqlError> =>
  Effect.gen(function*() {
    const keys = (yield* query<{ key: string }>(sql, waits ? allKeys : heldKeys, [name])).map(({ key }) => key)
    const keepsLocks = yield* isInTransaction(sql)
    for (let at = 0; at < keys.length; at += maxKeys) {
      const mayWait = waits && (at === 0 || !keepsLocks)
      yield* query(sql, "select pg_task_send_back($1::text[], $2::boolean)", [keys.slice(at, at + maxKeys), mayWait])
    }
  })

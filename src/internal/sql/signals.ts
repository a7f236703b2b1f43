/**
 * Signals: how one is put into the inbox of a row, and what the table needs for that.
 *
 * `inbox` is `{"signals": [{"tag", "value", "at", "trace", "dedupe"}, …], "dedupe": ["…"]}`, or null. `signals` are those
 * that the task has not taken, in the order in which they were committed; `dedupe` the last keys that were used.
 */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { TaskId } from "../../TaskId.ts"
import { leaveMissingChildren } from "./leftChildren.ts"
import { query, type Rows } from "./query.ts"

/** How many signals a row holds at most. */
export const maxInboxSignals = 1000

/** How long an inbox may be, in bytes. */
export const maxInboxBytes = 1_000_000

/** How many keys of duplicates a row remembers. */
const maxDedupe = 100

interface SignalParams {
  readonly tag: string
  readonly value: string
  readonly dedupe: string
  readonly trace: string
}

/** The signal as it is stored. */
const item = ({ dedupe, tag, trace, value }: SignalParams) =>
  `jsonb_strip_nulls(jsonb_build_object('tag', ${tag}, 'at', now(), 'trace', ${trace}, 'dedupe', ${dedupe}))
    || jsonb_build_object('value', ${value})`

/** The keys of duplicates, with one more. */
const remember = (dedupe: string) =>
  `case when ${dedupe} is null then '{}' else jsonb_build_object('dedupe',
    case when jsonb_array_length(t.inbox -> 'dedupe') >= ${maxDedupe} then (t.inbox -> 'dedupe') - 0
      else coalesce(t.inbox -> 'dedupe', '[]') end || to_jsonb(${dedupe})) end`

/**
 * Puts a signal into a row. It makes the row due if the row waits and does not run, also if it is parked: otherwise the
 * row would be left asleep when its error is cleared. It does so whatever the row waits for: a build of before may have
 * written that, which did not know this signal. Whoever claims the row knows what its state waits for, and lets it wait
 * on if this signal is not among that. `wakes` tells the attempt that runs the row that something came: see
 * `becomesDue` in waits.ts.
 */
const putSignal = (signal: SignalParams) =>
  `inbox = coalesce(t.inbox, '{}')
    || jsonb_build_object('signals', coalesce(t.inbox -> 'signals', '[]') || (${item(signal)}))
    || ${remember(signal.dedupe)},
  wakes = t.wakes + 1,
  wakeup_at = case when not t.is_running and t.waits_for is not null then least(t.wakeup_at, now())
    else t.wakeup_at end,
  updated_at = now()`

const isDuplicate = (dedupe: string) => `coalesce(t.inbox -> 'dedupe' ? ${dedupe}, false)`

const hasRoom = (value: string) =>
  `(t.inbox is null or coalesce(jsonb_array_length(t.inbox -> 'signals'), 0) < ${maxInboxSignals}
    and octet_length(t.inbox::text) + octet_length(${value}::text) <= ${maxInboxBytes})`

/** A row that has ended takes no signals. */
const takesSignals = "t.ended_at is null"

// ---------------------------------------------------------------------------------------------------------------
// The library's own statements
// ---------------------------------------------------------------------------------------------------------------

/** To which row a signal goes: to the task of this name, or of any, with this id; or to that of a name with this key. */
export type SignalTarget =
  | { readonly task: string | undefined; readonly id: TaskId }
  | { readonly task: string; readonly key: string }

/** A signal, with its fields as JSON. */
export interface EncodedSignal {
  readonly tag: string
  readonly value: string
  readonly dedupe: string | undefined
}

/** With the trace of whoever sends it. */
interface TracedSignal extends EncodedSignal {
  readonly trace: string | null
}

/** What became of a signal. */
export type Sent = "sent" | "duplicate" | "full" | "gone"

const byId = "t.id = $1::uuid and t.task = coalesce($2::text, t.task)"
const byKey = "t.key = $1 and t.task = $2"

const params = { tag: "$3::text", value: "$4::jsonb", dedupe: "$5::text", trace: "$6::text" }

const send = (row: string, quiet: boolean) =>
  `${
    quiet ? "with quiet as materialized (select set_config('pg_task.skip_notify', 'on', true))\n" : ""
  }update pg_task t set
  ${putSignal(params)}
${quiet ? "from quiet\n" : ""}where ${row} and ${takesSignals} and not ${isDuplicate(params.dedupe)}
  and ${hasRoom(params.value)} returning t.id`

/** Why no row took a signal. If nothing is in the way by now, it is sent again: the row was stored in between. */
const refusalOf = (row: string) =>
  `select case when ${isDuplicate("$3::text")} then 'duplicate' when not ${
    hasRoom("$4::text")
  } then 'full' else 'again' end as sent
from pg_task t where ${row} and ${takesSignals}`

/** The statements of one kind of target. */
const statementsBy = (row: string) => ({ loud: send(row, false), quiet: send(row, true), refusal: refusalOf(row) })

const statements = { id: statementsBy(byId), key: statementsBy(byKey) }

/** Sends a signal. Use `quiet` only outside of transactions: the setting lasts until the transaction ends. */
export const sendSignal = (
  sql: SqlClient,
  target: SignalTarget,
  signal: TracedSignal,
  quiet: boolean
): Effect.Effect<Sent, SqlError> => {
  const { dedupe = null, tag, trace, value } = signal
  const [texts, row] = "key" in target ? [statements.key, target.key] : [statements.id, target.id]
  const task = target.task ?? null
  const refused = Effect.flatMap(
    query<{ sent: Sent | "again" }>(sql, texts.refusal, [row, task, dedupe, value]),
    ([found]) =>
      found?.sent === "again"
        ? sendSignal(sql, target, signal, quiet)
        : Effect.succeed<Sent>(found?.sent ?? "gone")
  )
  return Effect.flatMap(
    query(sql, quiet ? texts.quiet : texts.loud, [row, task, tag, value, dedupe, trace]),
    ({ length }) => length > 0 ? Effect.succeed<Sent>("sent") : refused
  )
}

/** The signals of a row that an attempt holds. */
export const readInbox = (
  sql: SqlClient,
  { id, token }: { readonly id: TaskId; readonly token: string }
): Effect.Effect<string | undefined, SqlError> =>
  Effect.map(
    query<{ inbox: string | null }>(
      sql,
      "select inbox::text as inbox from pg_task where id = $1::uuid and lease_token = $2::uuid",
      [id, token]
    ),
    (rows) => rows[0]?.inbox ?? undefined
  )

/** A signal that a row has, with its time in milliseconds since 1970. People may write anything: so may be null. */
export interface InboxRow {
  readonly signal: string | null
  readonly fields: string | null
  readonly at: string | null
  readonly dedupe: string | null
}

/** The signals of a row that it has not taken, the first one first. Returns no row if there is no such task. */
export const listInbox = (sql: SqlClient, id: string): Rows<{ readonly signals: ReadonlyArray<InboxRow> }> =>
  query(
    sql,
    `select coalesce((
  select json_agg(json_build_object('signal', s ->> 'tag', 'fields', (s -> 'value')::text, 'at', s ->> 'at',
    'dedupe', s ->> 'dedupe') order by n)
  from jsonb_path_query(t.inbox, '$.signals[*]') with ordinality as i(s, n)
), '[]') as signals from pg_task t where t.id = $1::uuid`,
    [id]
  )

// ---------------------------------------------------------------------------------------------------------------
// What a migration makes
// ---------------------------------------------------------------------------------------------------------------

const inFunction = putSignal({ tag: "signal", value: "value", dedupe: "pg_task_signal.dedupe", trace: "null::text" })

/**
 * The same for SQL. It runs with the rights of its caller. Arguments that are named as columns must be qualified.
 */
const createFunction = `create or replace function pg_task_signal(
  task_id uuid, signal text, value jsonb default '{}', dedupe text default null
) returns boolean language plpgsql as $$
#variable_conflict use_variable
begin
  if signal is null or signal = '' or signal like '$%' then
    raise exception 'pg_task_signal: % is no signal', coalesce(quote_literal(signal), 'null') using errcode = '22023';
  end if;
  if value is null or jsonb_typeof(value) <> 'object' then
    raise exception 'pg_task_signal: the fields of the signal "%" must be a JSON object', signal using errcode = '22023';
  end if;
  update pg_task t set
  ${inFunction}
  where t.id = task_id and ${takesSignals} and not ${isDuplicate("pg_task_signal.dedupe")} and ${hasRoom("value")};
  if found then return true; end if;
  if exists (
    select from pg_task t where t.id = task_id and ${takesSignals} and ${isDuplicate("pg_task_signal.dedupe")}
  ) then return false; end if;
  if exists (select from pg_task t where t.id = task_id and ${takesSignals} and not ${hasRoom("value")}) then
    raise exception 'pg_task_signal: the inbox of task % is full: it holds ${maxInboxSignals} signals or 1 MB at most', task_id
      using errcode = '54000';
  end if;
  raise exception 'pg_task_signal: there is no task %', task_id
    using errcode = 'P0002', hint = 'It has ended, was cancelled, or never was.';
end $$`

/**
 * A hand's edit of the state of a waiting row makes it due: it no longer waits for what the old state waited for. The
 * library's own writes of a state are told apart from a hand's also where two come in one transaction: the end of an
 * attempt changes `transitions` of a row that runs, and whoever rewrites a former state changes `wakes`. A hand may
 * change `transitions`, too, so that the new state gets another idempotency key.
 */
const isEditedByHand = `(old.waits_for is not null or old.wait_until is not null)
    and new.step is distinct from old.step and new.wakes = old.wakes
    and (new.transitions = old.transitions or not old.is_running)`

export const createTouchFunction = `create or replace function pg_task_touch() returns trigger language plpgsql as $$
begin
  if new.updated_at = old.updated_at then new.updated_at = now(); end if;
  if ${isEditedByHand} then
    new.waits_for = null;
    new.wait_until = null;
    if not new.is_running then new.wakeup_at = least(new.wakeup_at, now()); end if;
    ${leaveMissingChildren}
  end if;
  return new;
end $$`

export const createSignals: ReadonlyArray<string> = [
  createFunction,
  // For databases where functions are not granted to everybody by default.
  "grant execute on function pg_task_signal(uuid, text, jsonb, text) to public",
  createTouchFunction,
  // Postgres reads the condition of a trigger anew for each statement: so it is short, and the function looks closer.
  "drop trigger if exists pg_task_touched on pg_task",
  `create trigger pg_task_touched before update on pg_task for each row
  when (new.updated_at = old.updated_at or old.waits_for is not null or old.wait_until is not null)
  execute function pg_task_touch()`,
  // Also when a row that comes into a waiting state is due at once, because a signal has come meanwhile.
  "drop trigger if exists pg_task_freed on pg_task",
  `create trigger pg_task_freed after update on pg_task for each row
  when (not new.is_running and new.error is null and (
    old.error is not null or new.wakeup_at < old.wakeup_at
    or (old.is_running and new.waits_for is not null and new.wakeup_at <= now())
  ))
  execute function pg_task_notify()`
]

/** The schedules of a round, and the tables by which the oracle sees their ticks. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { micros } from "../keys/KeyLedger.ts"
import { persist } from "../Persist.ts"

/** No worker of an older build turns back the spec of a newer one. */
const noteTurns: ReadonlyArray<string> = [
  "create table turned_back (key text, version int)",
  `create function version_of(step text) returns int language sql immutable as $$
    select coalesce(substring(step from '"version": ?([0-9]+)')::int, 0)
  $$`,
  `create function note_turn() returns trigger language plpgsql as $$ begin
    insert into turned_back values (new.key, version_of(new.step));
    return null;
  end $$`,
  `create trigger note_turn after update on pg_task for each row
    when (new.state = '$schedule' and version_of(new.step) < version_of(old.step)) execute function note_turn()`
]

export const createTicks: ReadonlyArray<string> = [
  // The first tick of each schedule, and its cron.
  "create table clockwork (key text primary key, cron text not null, zone text not null, first timestamptz not null)",
  "create table ticked (key text, tick timestamptz, at timestamptz not null default clock_timestamp())",
  ...noteTurns
]

export interface Clockwork {
  readonly key: string
  readonly cron: string
  readonly zone: string
  /** In milliseconds since 1970. */
  readonly first: number
}

/** What the row of a schedule says at the end of a round. */
export interface ScheduleRow {
  readonly key: string
  readonly next: number
  readonly missed: number
  readonly overlapped: number
  readonly error: string | null
}

export interface Ticking {
  readonly clockworks: ReadonlyArray<Clockwork>
  readonly schedules: ReadonlyArray<ScheduleRow>
  /** The ticks whose tasks have ended: in milliseconds since 1970. */
  readonly ticks: ReadonlyArray<{ readonly key: string; readonly tick: number }>
  readonly turnedBack: ReadonlyArray<string>
}

const millis = (time: string) => `${micros(time)} / 1000`

const fields = `step::json -> task -> '$schedule'`

/** Notes the first tick of each schedule that is there. */
export const noteClockworks = (sql: SqlClient.SqlClient): Effect.Effect<unknown> =>
  persist(sql.unsafe(`insert into clockwork
    select key, f ->> 'cron', f ->> 'timeZone', (f ->> 'next')::timestamptz
    from (select key, ${fields} as f from pg_task where state = '$schedule') s on conflict do nothing`))

export const readTicking = (sql: SqlClient.SqlClient): Effect.Effect<Ticking> =>
  Effect.gen(function*() {
    const read = <A extends object>(text: string) => persist(sql.unsafe<A>(text))
    const turned = yield* read<{ key: string }>("select key from turned_back")
    return {
      clockworks: yield* read<Clockwork>(`select key, cron, zone, ${millis("first")} as first from clockwork`),
      schedules: yield* read<ScheduleRow>(`select key, error, ${millis("(f ->> 'next')::timestamptz")} as next,
        coalesce((f ->> 'missed')::int, 0) as missed, coalesce((f ->> 'overlapped')::int, 0) as overlapped
        from (select key, error, ${fields} as f from pg_task where state = '$schedule') s`),
      ticks: yield* read<{ key: string; tick: number }>(`select key, ${millis("tick")} as tick from ticked`),
      turnedBack: turned.map(({ key }) => key)
    }
  })

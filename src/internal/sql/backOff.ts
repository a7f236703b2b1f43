/** A back-off: no task of a limit, or of one of its keys, starts for a while. */
import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { messageOf } from "./errors.ts"
import { channel } from "./notify.ts"
import { query } from "./query.ts"
import { sendBack } from "./sendBack.ts"
import { millis } from "./time.ts"

export interface BackOff {
  /** The name of the limit, or `name:key`. */
  readonly key: string
  /** How long it lasts, in milliseconds. */
  readonly millis: number
}

const prefix = "back_off "

/** What the notification says that tells of a back-off. */
export const backOffIn = (payload: string): BackOff | undefined => {
  const [, millis, key] = payload.match(/^back_off (\d+) (.*)$/s) ?? []
  return key === undefined ? undefined : { key, millis: Number(millis) }
}

/**
 * The workers are told, because a row that holds a slot, and waits in their memory, would start. Those that don't hear
 * have such rows for a second at most. A back-off that is over later stays as it is.
 */
export const backOff = (sql: SqlClient, { key, millis: time }: BackOff): Effect.Effect<void, SqlError> =>
  query(
    sql,
    `with noted as (
  insert into pg_task_limit as l (key, held_until) values ($1, clock_timestamp() + ${millis("$2")})
  on conflict (key) do update set held_until = greatest(l.held_until, excluded.held_until), noted_at = now()
  returning l.held_until
)
select pg_notify($3, $4 || ceil(extract(epoch from held_until - clock_timestamp()) * 1000)::int8 || ' ' || $1) from noted`,
    [key, time, channel, prefix]
  ).pipe(
    Effect.andThen(Effect.matchEffect(sendBack(sql, key, { waits: false }), {
      // Others hold these rows: who claims them asks.
      onFailure: (error) => Effect.logDebug(`Rows of "${key}" could not be sent back to the door: ${messageOf(error)}`),
      onSuccess: () => Effect.void
    }))
  )

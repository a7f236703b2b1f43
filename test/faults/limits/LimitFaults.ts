/** Hands on the rows that hold slots, wait for one, or ask for one. */
import { Effect, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import * as Admin from "../../../src/Admin.ts"
import { persist } from "../Persist.ts"
import type { Fault } from "../FaultContext.ts"
import { backingOff, keys } from "./LimitPlan.ts"

const targets = { holders: "slot > 0", waiting: "limit_key is not null and slot is null", any: "true" }

/** A statement on a few of these rows, with a note of their plans. `where` and `plan` are what it needs for that. */
const edit = (
  statement: (options: { readonly where: string; readonly plan: string }) => string,
  note: "limit_gone" | "limit_touched"
): Fault =>
(world, random) => {
  const target = targets[random.weighted({ holders: 5, waiting: 2, any: 2 })]
  const where = `task = 'BesideLimited' and ${target} and id in (select id from pg_task
    where task = 'BesideLimited' and ${target} order by md5(id::text || '${random.int(0, 1e9)}') limit ${
    random.int(1, 4)
  })`
  const plan = `substring(step from '"plan": ?"([^"]+)"') as plan`
  return Effect.asVoid(persist(world.sql.unsafe(
    `with done as (${statement({ where, plan })}) insert into ${note} select plan from done on conflict do nothing`
  )))
}

const drop = edit(({ plan, where }) => `delete from pg_task where ${where} returning ${plan}`, "limit_gone")

const park = edit(
  ({ plan, where }) => `update pg_task set error = 'parked by hand' where ${where} returning ${plan}`,
  "limit_touched"
)

const move = edit(
  ({ plan, where }) => `update pg_task set wakeup_at = now() + interval '1 second' where ${where} returning ${plan}`,
  "limit_touched"
)

/** Another key: whoever claims it must find that out. */
const rename = edit(
  ({ plan, where }) =>
    `update pg_task set step = regexp_replace(step, '"key": ?"[^"]+"', '"key":"1-a"')
      where not is_running and ${where} returning ${plan}`,
  "limit_touched"
)

const paused = keys.filter((key) => !backingOff.includes(`own:${key}`))

const pause: Fault = ({ sql }, random) => {
  const target = random.chance(0.5) ? { limit: "shared" } : { limit: "own", key: random.pick(paused) }
  const send = <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>) =>
    effect.pipe(
      Effect.provideService(SqlClient.SqlClient, sql),
      Effect.retry(Schedule.spaced("100 millis")),
      Effect.ignoreCause
    )
  return Effect.ensuring(
    Effect.andThen(send(Admin.pause(target)), Effect.sleep(random.int(100, 1500))),
    send(Admin.resume(target))
  )
}

export const limitFaults = {
  "drop slots": drop,
  "park slots": park,
  "move slots": move,
  "rename slots": rename,
  "pause a limit": pause
}

/** Hands on the rows that hold slots, wait for one, or ask for one. */
import { Effect, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import * as Admin from "../../../src/Admin.ts"
import { persist } from "../Persist.ts"
import type { Fault } from "../FaultContext.ts"
import type { Random } from "../Random.ts"
import { backingOff, keys, ownRunning, sharedRunning } from "./LimitPlan.ts"

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

type Change = Effect.Effect<unknown, unknown, SqlClient.SqlClient>

/** Somebody on call changes something, and takes it back after a while. */
const forAWhile = ({ sql }: Parameters<Fault>[0], random: Random, change: Change, undo: Change) => {
  const send = (effect: Change) =>
    effect.pipe(
      Effect.provideService(SqlClient.SqlClient, sql),
      Effect.retry(Schedule.spaced("100 millis")),
      Effect.ignoreCause
    )
  return Effect.ensuring(Effect.andThen(send(change), Effect.sleep(random.int(100, 1500))), send(undo))
}

const pause: Fault = (world, random) => {
  const target = random.chance(0.5) ? { limit: "shared" } : { limit: "own", key: random.pick(paused) }
  return forAWhile(world, random, Admin.pause(target), Admin.resume(target))
}

/** A number that is no higher than the one of the code, which holds all the time. */
const setNumber: Fault = (world, random) => {
  const key = random.pick(keys)
  const [target, most] = random.chance(0.5)
    ? [{ limit: "shared" }, sharedRunning]
    : [{ limit: "own", key }, ownRunning(key)]
  return forAWhile(world, random, Admin.setRunning(target, random.int(1, most)), Admin.resetRunning(target))
}

export const limitFaults = {
  "drop slots": drop,
  "park slots": park,
  "move slots": move,
  "rename slots": rename,
  "pause a limit": pause,
  "set the number of a limit": setNumber
}

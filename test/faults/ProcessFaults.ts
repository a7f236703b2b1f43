/** Processes that are killed, freeze and stop. */
import { Effect } from "effect"
import type { Member } from "./WorkerProcesses.ts"
import { persist } from "./EffectTables.ts"
import type { Random } from "./Random.ts"
import type { Fault, World } from "./FaultContext.ts"

const onVictim =
  (act: (world: World, member: Member, random: Random) => Effect.Effect<void>): Fault => (world, random) => {
    const { victims } = world.crew
    return victims.length === 0 ? Effect.void : act(world, random.pick(victims), random)
  }

const kill = onVictim(({ crew }, member) => crew.kill(member))

const freeze = onVictim(({ crew }, member, random) =>
  crew.freeze(member).pipe(
    Effect.andThen(Effect.sleep(random.int(200, 6000))),
    Effect.ensuring(crew.thaw(member))
  )
)

/** The next worker knows other tasks, and connects in another way. */
const replace = onVictim(({ crew }, member) => crew.stop(member))

/** Everybody, one after the other, as a deployment does. */
const roll: Fault = ({ crew }) =>
  Effect.suspend(() =>
    Effect.forEach(crew.victims, (member) => Effect.andThen(crew.stop(member), member.script.exit), { discard: true })
  )

const stopAll: Fault = ({ crew, sql }) =>
  Effect.suspend(() => {
    crew.stopSent = true
    return Effect.asVoid(persist(sql`select pg_notify('pg_task_changed', 'stop_worker')`))
  })

export const processFaults = { kill, freeze, replace, roll, stopAll }

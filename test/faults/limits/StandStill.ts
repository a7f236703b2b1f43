/** Hands pause and resume a task, limits and keys, and let them back off, beside all else that goes on. */
import { Effect, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import * as Admin from "../../../src/Admin.ts"
import type { Scene } from "../FaultContext.ts"
import type { Random } from "../Random.ts"
import { isFixed } from "./LimitWatch.ts"
import { own, rated } from "./LimitTask.ts"
import { limitedTask, type Still } from "./Still.ts"

/** Nobody else resumes these. */
const pauses: ReadonlyArray<readonly [name: string, target: Admin.PauseTarget]> = [
  [limitedTask, { task: limitedTask }],
  ["own", { limit: "own" }],
  ["paced", { limit: "paced" }],
  ["rated:1-a", { limit: "rated", key: "1-a" }]
]

const backOffs = [
  ["rated", rated, {}],
  ["rated:3-a", rated, { key: "3-a" }],
  ["own:1-b", own, { key: "1-b" }]
] as const

/** Until it comes through: the database may be away. */
const send = <A, E>({ sql }: Scene, effect: Effect.Effect<A, E, SqlClient.SqlClient>): Effect.Effect<A> =>
  effect.pipe(
    Effect.catchDefect((defect) => Effect.fail(defect)),
    Effect.timeout("10 seconds"),
    Effect.retry(Schedule.spaced("100 millis")),
    Effect.timeout("5 minutes"),
    Effect.orDie,
    Effect.provideService(SqlClient.SqlClient, sql)
  )

type Note = (still: Still) => void

const pauseOne = (scene: Scene, random: Random, note: Note): Effect.Effect<void> => {
  const [name, target] = random.pick(pauses)
  let since = Infinity
  const paused = Effect.gen(function*() {
    yield* send(scene, Admin.pause(target))
    since = Date.now() + 1
    yield* Effect.sleep(random.int(200, 7000))
  })
  const resume = Effect.suspend(() => {
    note({ what: "pause", name, since, until: Date.now() })
    return send(scene, Admin.resume(target))
  })
  return Effect.ensuring(paused, resume)
}

const backOffOne = (scene: Scene, random: Random, note: Note): Effect.Effect<void> =>
  Effect.suspend(() => {
    const [name, limit, options] = random.pick(backOffs)
    const millis = random.int(500, 7000)
    let until = 0
    const called = Effect.suspend(() => {
      until = Date.now() + millis
      return limit.backOff(millis, options)
    })
    return Effect.andThen(
      send(scene, called),
      Effect.suspend(() => {
        note({ what: "back-off", name, since: Date.now() + 1, until })
        return Effect.sleep(millis)
      })
    )
  })

/** Pauses and resumes, and lets back off, until the world is fixed. */
export const standStill = (scene: Scene, random: Random, note: Note): Effect.Effect<void> => {
  const again = (one: typeof pauseOne, random: Random): Effect.Effect<void> =>
    Effect.gen(function*() {
      while (!(yield* isFixed(scene))) {
        yield* Effect.sleep(random.int(100, 2000))
        yield* one(scene, random, note)
      }
    })
  return Effect.all([again(pauseOne, random.fork("pauses")), again(backOffOne, random.fork("back-offs"))], {
    concurrency: 2,
    discard: true
  })
}

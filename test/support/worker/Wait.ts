/**
 * Waits for what a test expects. The limits matter only for broken code: they are long, because machines may be busy.
 */
import { Effect } from "effect"

const limit = 120_000

/** Fails a test that waits for something that never comes, and says what it was. */
export const within = <A, E, R>(effect: Effect.Effect<A, E, R>, what: string, millis = limit): Effect.Effect<A, E, R> =>
  Effect.timeoutOrElse(effect, {
    duration: millis,
    orElse: () => Effect.die(new Error(`${what}: not within ${millis / 1000} s`))
  })

/** Looks again and again until `holds`: for what the database can't tell us by itself. */
export const eventually = <A, E, R>(
  look: Effect.Effect<A, E, R>,
  holds: (found: A) => boolean,
  millis = limit
): Effect.Effect<A, E, R> =>
  Effect.suspend(() => {
    let last: A | undefined
    const turn: Effect.Effect<A, E, R> = Effect.flatMap(look, (found) => {
      last = found
      return holds(found) ? Effect.succeed(found) : Effect.andThen(Effect.sleep(20), turn)
    })
    return Effect.timeoutOrElse(turn, {
      duration: millis,
      orElse: () => Effect.die(new Error(`never became true; at last: ${JSON.stringify(last)}`))
    })
  })

/** Which workers a launched layer has started: also those that it doesn't provide, and more than one. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TaskDefinitionError } from "../../TaskError.ts"

/** For each worker, an effect that waits until it has stopped. Undefined where no layer is being launched. */
const Started = Context.Reference<Array<Effect.Effect<void>> | undefined>("effect-pg-task/internal/Started", {
  defaultValue: () => undefined
})

/** A worker has started. */
export const noteStarted = (stopped: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.map(Started, (started) => void started?.push(stopped))

const noWorker = new TaskDefinitionError({
  message: "Worker.launch: no worker starts with this layer, so it would never end. Use Layer.launch, "
    + "or make Worker.layer a part of it"
})

/** Keeps a layer alive until all its workers have stopped. */
export const launchLayer = <A, E, R>(layer: Layer.Layer<A, E, R>): Effect.Effect<void, E | TaskDefinitionError, R> =>
  Effect.suspend(() => {
    const started: Array<Effect.Effect<void>> = []
    const allStopped = Effect.suspend(() =>
      started.length === 0 ? noWorker : Effect.all(started, { concurrency: "unbounded", discard: true })
    )
    const build = Effect.provideService(Layer.build(layer), Started, started)
    return Effect.scoped(Effect.andThen(build, allStopped))
  })
